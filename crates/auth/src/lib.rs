//! Access tokens, grants and TURN credentials.
