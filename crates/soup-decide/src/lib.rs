//! From probabilities to answers: ensembles, thresholds, submission files.
