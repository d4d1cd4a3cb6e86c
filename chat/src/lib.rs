//! Messages, receipts, history, and their SQL.
