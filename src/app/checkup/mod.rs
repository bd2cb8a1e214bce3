//! Looking at what a shop stands on, for the doctor: its folder, its databases, its servers. Facts only;
//! what they mean is judged elsewhere.

pub mod folder;
pub mod journals;
pub mod servers;
