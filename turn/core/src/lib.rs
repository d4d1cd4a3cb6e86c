//! The bundled STUN/TURN relay, without a socket or a clock.
