//! HTTP of the payment service.
