//! Registration, passwords, refresh tokens, guests and invites, and their SQL.
