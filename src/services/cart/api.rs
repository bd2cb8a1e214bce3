//! HTTP of the cart service.
