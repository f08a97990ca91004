//! syncline-registry
