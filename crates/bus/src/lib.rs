//! Hints between parts and nodes: publish and subscribe, in-process or over Redis.
