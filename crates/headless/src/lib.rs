//! A client without a screen, sans-IO: for load tests and end-to-end tests.
