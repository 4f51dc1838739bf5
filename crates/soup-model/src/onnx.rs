//! A model as ONNX: images as they are decoded in, probabilities out.

use soup_data::transforms::Plain;
use soup_graph::{
    ImageShape,
    onnx::{Attribute, Element, OnnxError, Value, Writer},
};

use crate::{Error, Member, Model};

/// Name of the input: N x height x width x channels bytes.
pub const IMAGES: &str = "pictures";
/// Name of the output: N x labels.
pub const PROBABILITIES: &str = "probabilities";
/// Name of the output where maps are wanted: N x labels x rows x columns.
pub const MAPS: &str = "maps";

impl Model {
    /// The bytes of an ONNX file with transforms, networks and the mean of the members in it.
    ///
    /// Input `pictures`: bytes, N x height x width x channels, of the model's image size, as image
    /// libraries decode them (RGB, not BGR). Output `probabilities`: floats, N x labels. With `maps`,
    /// output `maps`: floats, N x labels x rows x columns, the sigmoid of every cell of the label
    /// maps (for heads with `context`, before its layer), the mean over the members. The metadata holds `labels`, `thresholds` and `origins` as JSON and, of a model that learned from
    /// images of 16 bits whose white is below 65535, that value as `max_value`: whoever runs the file has to bring
    /// them to bytes, `min(value, max_value) * 255 / max_value`, rounded. Of one whose images were brought to one size
    /// they say how, such as `256x256-squash` as `fit`: whoever runs the file has to do that, too.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where maps are wanted and a network has none or of another size, where the model has views or
    /// a decision, which have no operations here, or the file would be too large.
    pub fn to_onnx(&self, maps: bool) -> Result<Vec<u8>, Error> {
        if !self.views.is_plain() || self.decision.is_some() {
            return Err(Error::Mismatch(
                "an ONNX file holds networks; views and a decision have to be left out".to_owned(),
            ));
        }
        let map_shape = maps.then(|| self.map_shape()).transpose()?;
        let shape = self.image;
        let mut onnx = Writer::new("soup");
        let sides = [shape.height, shape.width, shape.channels];
        let doc = format!("decoded images of {shape}: rows, columns, channels; 0 to 255");
        let images = onnx.input(IMAGES, Element::Byte, &sides, &doc);
        let to_planes = [("perm", Attribute::Integers(&[0, 3, 1, 2]))];
        let planes = onnx.add_node("planes", "Transpose", &[&images], &to_planes);
        let to_float = [("to", Attribute::Integer(1))];
        let pixels = onnx.add_node("pixels", "Cast", &[&planes], &to_float);

        let mut inputs: Vec<(&Member, Value)> = Vec::new();
        let (mut probabilities, mut heats) = (Vec::new(), Vec::new());
        for (number, member) in self.members.iter().enumerate() {
            let prefix = match self.members.len() {
                1 => String::new(),
                _ => format!("members.{number}."),
            };
            // Members that see the same image share the way to it.
            let shared = inputs
                .iter()
                .find(|(m, _)| m.transforms == member.transforms);
            let input = match shared {
                Some((_, input)) => input.clone(),
                None => {
                    let input = transforms(&mut onnx, &prefix, member, self, &pixels)?;
                    inputs.push((member, input.clone()));
                    input
                }
            };
            let shown = member.maps.filter(|_| maps);
            let graph = member.graph.clone().with_outputs(shown)?;
            let outputs = onnx.network(&prefix, &graph, &member.weights, input);
            let mut sigmoid = |word: &str, logits: &Value| {
                onnx.add_node(&format!("{prefix}{word}"), "Sigmoid", &[logits], &[])
            };
            probabilities.push(sigmoid("probability", &outputs[0]));
            heats.extend(outputs.get(1).map(|maps| sigmoid("heat", maps)));
        }
        let mean = mean(&mut onnx, "probability", &probabilities);
        let labels = self.label_names.len();
        let doc = "probability of every label";
        onnx.output(PROBABILITIES, &mean, &[labels], doc);
        if let Some(ImageShape { height, width, .. }) = map_shape {
            let mean = self::mean(&mut onnx, "heat", &heats);
            let doc = "where in the image every label is: labels, rows, columns; 0 to 1";
            onnx.output(MAPS, &mean, &[labels, height, width], doc);
        }
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| Error::Mismatch(format!("the model cannot be noted: {error}")))
        };
        let origins: Vec<_> = self.members.iter().map(|member| &member.origin).collect();
        let mut notes = vec![
            ("labels", json(serde_json::to_string(&self.label_names))?),
            ("thresholds", json(serde_json::to_string(&self.thresholds))?),
            ("origins", json(serde_json::to_string(&origins))?),
        ];
        notes.extend((self.reading.max_value).map(|most| ("max_value", most.to_string())));
        notes.extend(self.reading.fit.map(|fit| ("fit", fit.to_string())));
        let notes: Vec<(&str, &str)> = notes
            .iter()
            .map(|(key, text)| (*key, text.as_str()))
            .collect();
        onnx.finish(&notes)
            .map_err(|error: OnnxError| Error::Mismatch(error.to_string()))
    }

    /// The shape that the maps of all members have.
    fn map_shape(&self) -> Result<ImageShape, Error> {
        let mut found: Option<ImageShape> = None;
        for member in &self.members {
            let file = &member.origin.file;
            let Some(shape) = member.map_shape() else {
                return Err(Error::Mismatch(format!(
                    "{file}: {} has no label maps; only networks trained with model.head=label_map do",
                    member.origin.network
                )));
            };
            match found {
                Some(other) if other != shape => {
                    return Err(Error::Mismatch(format!(
                        "{file}: its label maps are {}x{}, those of the networks before it {}x{}; \
                         export them apart, or without maps",
                        shape.height, shape.width, other.height, other.width
                    )));
                }
                _ => found = Some(shape),
            }
        }
        found.ok_or_else(|| Error::Mismatch("the model holds no network".to_owned()))
    }
}

/// The mean of values of one shape.
fn mean(onnx: &mut Writer, word: &str, values: &[Value]) -> Value {
    let mut sum = values[0].clone();
    for (number, value) in values.iter().enumerate().skip(1) {
        let name = format!("{word}.sum.{number}");
        sum = onnx.add_node(&name, "Add", &[&sum, value], &[]);
    }
    if values.len() == 1 {
        return sum;
    }
    let share = onnx.floats(&format!("{word}.share"), &[], &[1.0 / values.len() as f32]);
    onnx.add_node(&format!("{word}.mean"), "Mul", &[&sum, &share], &[])
}

/// A member's transforms on N x channels x rows x columns floats of 0 to 255.
fn transforms(
    onnx: &mut Writer,
    prefix: &str,
    member: &Member,
    model: &Model,
    pixels: &Value,
) -> Result<Value, Error> {
    let steps = member.transforms.plain(model.image);
    let steps = steps.map_err(soup_data::Error::from)?;
    let mut value = pixels.clone();
    for (number, step) in steps.iter().enumerate() {
        let name = format!("{prefix}transforms.{number}");
        value = transform(onnx, &name, step, &value);
    }
    Ok(value)
}

fn transform(onnx: &mut Writer, name: &str, step: &Plain, x: &Value) -> Value {
    let of = |word: &str| format!("{name}.{word}");
    match step {
        Plain::Pick { rows, columns } => {
            let picked = pick(onnx, &of("rows"), 2, rows, x);
            pick(onnx, &of("columns"), 3, columns, &picked)
        }
        Plain::Channels(channels) => pick(onnx, &of("channels"), 1, channels, x),
        Plain::Frame {
            sides: [left, top, right, bottom],
            values,
        } => {
            let sides = [0, 0, *top, *left, 0, 0, *bottom, *right];
            let sides = onnx.integers(&of("sides"), &sides.map(|side| side as i64));
            if values.iter().all(|value| *value == values[0]) {
                let fill = onnx.floats(&of("fill"), &[], &values[..1]);
                return onnx.add_node(&of("frame"), "Pad", &[x, &sides, &fill], &[]);
            }
            // ONNX pads all channels alike, so the fill becomes 0 for the time being.
            let fill = onnx.floats(&of("fill"), &[1, values.len(), 1, 1], values);
            let below = onnx.add_node(&of("below"), "Sub", &[x, &fill], &[]);
            let framed = onnx.add_node(&of("frame"), "Pad", &[&below, &sides], &[]);
            onnx.add_node(&of("filled"), "Add", &[&framed, &fill], &[])
        }
        Plain::Resize { height, width } => {
            let size = onnx.integers(&of("size"), &[*height as i64, *width as i64]);
            let settings = [
                ("mode", Attribute::Word("linear")),
                (
                    "coordinate_transformation_mode",
                    Attribute::Word("half_pixel"),
                ),
                ("axes", Attribute::Integers(&[2, 3])),
            ];
            let none = Writer::absent();
            let read = [x, &none, &none, &size];
            onnx.add_node(&of("resize"), "Resize", &read, &settings)
        }
        Plain::Weigh { rows, columns } => {
            let shape = [rows.len(), rows[0].len()];
            let rows = onnx.floats(&of("rows"), &shape, &rows.concat());
            // Transposed here, as it is the right factor.
            let shape = [columns[0].len(), columns.len()];
            let transposed = (0..shape[0]).flat_map(|from| columns.iter().map(move |to| to[from]));
            let transposed: Vec<f32> = transposed.collect();
            let columns = onnx.floats(&of("columns"), &shape, &transposed);
            let weighed = onnx.add_node(&of("weighed"), "MatMul", &[&rows, x], &[]);
            onnx.add_node(&of("resized"), "MatMul", &[&weighed, &columns], &[])
        }
        Plain::Mix(factors) => {
            let factors = onnx.floats(&of("factors"), &[1, factors.len(), 1, 1], factors);
            onnx.add_node(&of("mix"), "Conv", &[x, &factors], &[])
        }
        Plain::Scale { factors, summands } => {
            let shape = [1, factors.len(), 1, 1];
            let factors = onnx.floats(&of("factors"), &shape, factors);
            let summands = onnx.floats(&of("summands"), &shape, summands);
            let scaled = onnx.add_node(&of("scaled"), "Mul", &[x, &factors], &[]);
            onnx.add_node(&of("shifted"), "Add", &[&scaled, &summands], &[])
        }
        Plain::Clip { low, high } => {
            let low = onnx.floats(&of("low"), &[], &[*low]);
            let high = onnx.floats(&of("high"), &[], &[*high]);
            onnx.add_node(&of("clip"), "Clip", &[x, &low, &high], &[])
        }
        Plain::Quantize(edges) => {
            let shape = [1, edges.len(), 1, 1];
            let mut ends = edges[1..].to_vec();
            ends.push(f32::INFINITY);
            let edges = onnx.floats(&of("edges"), &shape, edges);
            let ends = onnx.floats(&of("ends"), &shape, &ends);
            let from = onnx.add_node(&of("from"), "GreaterOrEqual", &[x, &edges], &[]);
            let below = onnx.add_node(&of("below"), "Less", &[x, &ends], &[]);
            let inside = onnx.add_node(&of("inside"), "And", &[&from, &below], &[]);
            let to_float = [("to", Attribute::Integer(1))];
            // The node keeps the transform's old name: exports stay equal byte for byte.
            onnx.add_node(&of("bands"), "Cast", &[&inside], &to_float)
        }
    }
}

/// Picks places along an axis.
fn pick(onnx: &mut Writer, name: &str, axis: i64, places: &[usize], x: &Value) -> Value {
    let places: Vec<i64> = places.iter().map(|&place| place as i64).collect();
    let places = onnx.integers(&format!("{name}.places"), &places);
    let axis = [("axis", Attribute::Integer(axis))];
    onnx.add_node(name, "Gather", &[x, &places], &axis)
}
