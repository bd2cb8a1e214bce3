//! HTTP of the inventory service.
