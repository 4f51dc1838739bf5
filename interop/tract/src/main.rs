//! `run-onnx MODEL.onnx IMAGES.u8 N HEIGHT WIDTH CHANNELS OUT.f32`: the first output of a model for
//! raw images, by tract.

use std::error::Error;
use std::{env, fs};

use tract_onnx::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, images, sides @ .., out] = arguments.as_slice() else {
        return Err("usage: run-onnx MODEL IMAGES N HEIGHT WIDTH CHANNELS OUT".into());
    };
    let sides: Vec<usize> = sides.iter().map(|side| side.parse()).collect::<Result<_, _>>()?;
    let input = Tensor::from_shape(&sides, &fs::read(images)?)?;
    let model = tract_onnx::onnx()
        .model_for_path(model)?
        .with_input_fact(0, u8::fact(&sides).into())?
        .into_optimized()?
        .into_runnable()?;
    let outputs = model.run(tvec!(input.into()))?;
    let values = outputs[0].to_plain_array_view::<f32>()?;
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(out, bytes)?;
    Ok(())
}
