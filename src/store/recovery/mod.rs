pub(crate) mod power_loss;
pub(crate) mod sweep;
