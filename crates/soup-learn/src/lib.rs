//! Learning: losses, optimisers, schedules, metrics, the trainer, checkpoints and runs.
