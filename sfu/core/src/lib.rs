//! Whose media goes to whom: the media plane, without a socket or a clock.
