//! HTTP of the order service.
