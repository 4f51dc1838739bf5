//! `model.soup`: a safetensors file that any tool of that format opens. The tensors of member `n`
//! are named `members.n.` and timm's name; the metadata holds `soup.model`, a JSON object that says
//! all the rest, the networks included, so that a reader needs no list of networks.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::{Deserialize, Serialize};
use soup_data::{ImageShape, files::write_whole, transforms::Pipeline};
use soup_engine::memory;
use soup_graph::{
    Description, NodeId, Shape,
    safetensors::{Archive, Part, to_bytes},
};

use soup_decide::views::Views;

use crate::{Error, Member, Model, Origin, Precision, bundled};

/// The layout that this program writes and reads.
pub const VERSION: u32 = 1;
/// The key in the metadata.
const KEY: &str = "soup.model";
/// The threshold of every label unless the file says otherwise.
const THRESHOLD: f32 = 0.5;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    labels: Vec<String>,
    #[serde(rename = "picture")]
    image: ImageShape,
    /// Missing: of images with 16 bits a channel the upper 8 are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_value: Option<u16>,
    /// Missing: 0.5 for every label.
    #[serde(default)]
    thresholds: Option<Vec<f32>>,
    /// Missing: the plain view alone.
    #[serde(default, skip_serializing_if = "Views::is_plain")]
    views: Views,
    /// Missing: thresholds alone make answers of probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decision: Option<serde_json::Value>,
    members: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    origin: Origin,
    transforms: Pipeline,
    graph: Description,
    /// Missing: single precision.
    #[serde(default, skip_serializing_if = "Precision::is_single")]
    precision: Precision,
    /// Place of the node that holds one map a label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maps: Option<usize>,
    /// Kept a place for calibrated logits until 0.0; no program ever filled it, and nothing but `null` is read.
    #[serde(default, rename = "calibration", skip_serializing)]
    _calibration: (),
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Whether the metadata of a safetensors file is that of a `model.soup`.
pub fn is_model(metadata: &BTreeMap<String, String>) -> bool {
    metadata.contains_key(KEY)
}

/// Whether a file of weights, and what is made of it, can be had in memory: half precision doubles when it is read,
/// and networks are rewritten for inference.
///
/// # Errors
/// [`Error::Format`] with what it needs and what there is. A file that is not there is found by whoever reads it.
pub fn room_for_file(path: &Path) -> Result<(), Error> {
    let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    memory::room_for(length.saturating_mul(4)).map_err(|shortage| {
        Error::format(
            path,
            format!("to read a file of {} {shortage}", memory::Amount(length)),
        )
    })
}

fn prefix(member: usize) -> String {
    format!("members.{member}.")
}

impl Model {
    /// The bytes of a `model.soup`: the same model gives the same bytes. Weights that half precision holds as they are
    /// ([`soup_graph::Weights::round_to_half`]) take two bytes each, others four.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the model contradicts itself.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let wrong = |problem: String| Error::Mismatch(format!("the model: {problem}"));
        let entries = self.members.iter().map(|member| Entry {
            origin: member.origin.clone(),
            transforms: member.transforms.clone(),
            graph: Description::of(&member.graph),
            precision: member.precision,
            maps: member.maps.map(|id| id.0),
            _calibration: (),
        });
        let header = Header {
            version: VERSION,
            labels: self.label_names.clone(),
            image: self.image,
            max_value: self.max_value,
            thresholds: Some(self.thresholds.clone()),
            views: self.views.clone(),
            decision: self.decision.clone(),
            members: entries.collect(),
        };
        // What is written can be read.
        header.check().map_err(wrong)?;
        let text = serde_json::to_string(&header).map_err(|error| wrong(error.to_string()))?;
        let prefixes: Vec<String> = (0..self.members.len()).map(prefix).collect();
        let parts = self.members.iter().zip(&prefixes);
        let parts: Vec<Part> = parts
            .map(|(member, prefix)| Part {
                prefix,
                graph: &member.graph,
                weights: &member.weights,
                half: member.weights.fit_half(),
            })
            .collect();
        let metadata = BTreeMap::from([(KEY.to_owned(), text)]);
        Ok(to_bytes("the model", &parts, &metadata)?)
    }

    /// Writes a `model.soup`, whole or not at all.
    ///
    /// # Errors
    /// Those of [`Model::to_bytes`], and [`Error::Data`] where the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        Ok(write_whole(path, &self.to_bytes()?)?)
    }

    /// Reads a `model.soup`.
    ///
    /// # Errors
    /// [`Error::Weights`] where the file cannot be read or its tensors are not the networks',
    /// [`Error::Format`] where its header says nothing that can be true.
    pub fn read(path: &Path) -> Result<Self, Error> {
        room_for_file(path)?;
        let archive = Archive::open(path)?;
        Self::of(path, &archive, &archive.metadata()?)
    }

    /// The model bundled with the program: see [`bundled::LETTERS`].
    ///
    /// # Errors
    /// None but where the program was built with a damaged file.
    pub fn letters() -> Result<Self, Error> {
        let path = Path::new(bundled::LETTERS);
        let archive = Archive::carried(bundled::LETTERS, bundled::LETTERS_BYTES);
        Self::of(path, &archive, &archive.metadata()?)
    }

    /// The model in a file that is open.
    pub(crate) fn of(
        path: &Path,
        archive: &Archive,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let Some(text) = metadata.get(KEY) else {
            return Err(Error::format(
                path,
                "this is no model.soup; soup export RUN --out model.soup writes one",
            ));
        };
        let wrong = |problem: String| Error::format(path, problem);
        let json = |error: serde_json::Error| wrong(format!("its `{KEY}` cannot be read: {error}"));
        let Versioned { version } = serde_json::from_str(text).map_err(json)?;
        if version != VERSION {
            return Err(wrong(format!(
                "it has layout {version}, and this program reads layout {VERSION}; use the soup that wrote it"
            )));
        }
        let header: Header = serde_json::from_str(text).map_err(json)?;
        let graphs = header.check().map_err(wrong)?;
        let parts = graphs.iter().enumerate();
        let parts: Vec<_> = parts.map(|(n, graph)| (prefix(n), graph)).collect();
        let weights = archive.weights(&parts)?;
        let count = header.labels.len();
        let members = header.members.into_iter().zip(graphs).zip(weights);
        let members = members.map(|((entry, graph), weights)| Member {
            graph,
            weights,
            precision: entry.precision,
            maps: entry.maps.map(NodeId),
            transforms: entry.transforms.evaluation(),
            origin: entry.origin,
        });
        Ok(Self {
            members: members.collect(),
            image: header.image,
            max_value: header.max_value,
            views: header.views,
            decision: header.decision,
            thresholds: header.thresholds.unwrap_or(vec![THRESHOLD; count]),
            label_names: header.labels,
        })
    }
}

impl Header {
    /// The networks, where everything that the header says fits together.
    fn check(&self) -> Result<Vec<soup_graph::Graph>, String> {
        let labels = self.labels.len();
        let distinct: BTreeSet<&String> = self.labels.iter().collect();
        if labels == 0 || distinct.len() != labels {
            return Err("its labels must be at least one, each named once".to_owned());
        }
        if let Some(thresholds) = &self.thresholds {
            let good = thresholds.iter().all(|t| (0.0..=1.0).contains(t));
            if thresholds.len() != labels || !good {
                return Err(format!("it needs {labels} thresholds, each in 0 to 1"));
            }
        }
        if self.members.is_empty() {
            return Err("it holds no network".to_owned());
        }
        let graphs = self.members.iter().enumerate().map(|(number, entry)| {
            let graph = entry.check(self.image, labels);
            graph.map_err(|problem| format!("its network {number}: {problem}"))
        });
        graphs.collect()
    }
}

impl Entry {
    fn check(&self, image: ImageShape, labels: usize) -> Result<soup_graph::Graph, String> {
        let transforms = self.transforms.evaluation();
        let shape = transforms.output_shape(image);
        let shape = shape.map_err(|error| error.to_string())?;
        let graph = self.graph.build(shape);
        let graph = graph.map_err(|error| error.to_string())?;
        match graph.outputs()[..] {
            [logits] if graph.node(logits).shape == Shape::Vector(labels) => {}
            _ => {
                return Err(format!(
                    "it must give one logit for each of {labels} labels"
                ));
            }
        }
        if let Some(maps) = self.maps {
            let node = graph.nodes().get(maps);
            match node.map(|node| node.shape) {
                Some(Shape::Map(shape)) if shape.channels == labels => {}
                _ => {
                    return Err(format!(
                        "its node {maps} holds no map for each of {labels} labels"
                    ));
                }
            }
        }
        Ok(graph)
    }
}
