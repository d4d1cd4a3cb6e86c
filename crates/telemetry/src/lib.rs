//! Logs, metrics, redaction, health.
