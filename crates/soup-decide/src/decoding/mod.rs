//! Answers where the number of labels in an image follows a rule (10 to 14 letters, say).
//!
//! A network predicts each label alone. What the labels' counts say beside that is a
//! [`CountPrior`], learned from true labels and stored as data. A [`CountDecoder`] joins the two
//! exactly, by sums over all sets of as many labels (no sampling, no search):
//!
//! * [`CountDecoder::marginals`], the posterior probability of each label: above one half is the
//!   best answer where every cell counts (accuracy);
//! * [`CountDecoder::most_probable_set`], the best answer where only whole images count (exact
//!   match).
//!
//! **Model.** With calibrated probabilities `p` of labels predicted alone, the posterior of the set
//! `S` is proportional to `w(|S|) * prod_{i in S} p_i * prod_{i not in S} (1 - p_i)`, where `w(k)` is
//! the share of images with `k` labels over the share that labels drawn independently at their own
//! frequencies would give (the Poisson-binomial distribution). The division matters: `p` knows the
//! frequencies already, and they must not count twice. Labels that are independent give `w = 1`, and
//! nothing changes.

mod count_decoder;
mod count_prior;
mod count_sums;

pub use count_decoder::CountDecoder;
pub use count_prior::CountPrior;
