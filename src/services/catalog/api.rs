//! HTTP of the catalog service.
