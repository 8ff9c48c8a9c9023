//! Why a signature does not match (to be written).
