//! HTTP of the notification service.
