//! `count_tokens`, `count_chat_tokens`: exact token counts for Python.

use fastgate_core::tokens::chat::Parts;
use fastgate_core::tokens::{Encoding, Vocabulary, encoding_of_model};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Below this a count takes less than what giving up the GIL may cost.
const QUICK_BYTES: usize = 512;

/// Tokens of a text.
#[pyfunction]
#[pyo3(signature = (text, *, model = None, encoding = None, special = false))]
pub fn count_tokens(
    py: Python<'_>,
    text: &Bound<'_, PyAny>,
    model: Option<&str>,
    encoding: Option<&str>,
    special: bool,
) -> PyResult<u64> {
    let encoding = chosen(model, encoding)?;
    let text = Text::of(text)?;
    let count = |vocabulary: &Vocabulary| match text {
        Text::Str(text) if special => vocabulary.count_with_special(text),
        Text::Str(text) => vocabulary.count(text),
        Text::Bytes(text) if special => vocabulary.count_with_special(&String::from_utf8_lossy(text)),
        Text::Bytes(text) => vocabulary.count_bytes(text),
    };
    Ok(counted(py, encoding, text.octets().len(), count))
}

/// Tokens of a chat request's prompt.
#[pyfunction]
#[pyo3(signature = (body, *, model = None, encoding = None))]
pub fn count_chat_tokens(
    py: Python<'_>,
    body: &Bound<'_, PyAny>,
    model: Option<&str>,
    encoding: Option<&str>,
) -> PyResult<u64> {
    let encoding = chosen(model, encoding)?;
    let body = Text::of(body)?.octets();
    let count = |vocabulary: &Vocabulary| Parts::read(body).map(|parts| parts.tokens(&|text| vocabulary.count(text)));
    counted(py, encoding, body.len(), count).map_err(PyValueError::new_err)
}

/// Runs a count, without the GIL if it is long or the vocabulary has to be built first.
fn counted<T: Send>(
    py: Python<'_>,
    encoding: Encoding,
    length_bytes: usize,
    count: impl FnOnce(&Vocabulary) -> T + Send,
) -> T {
    match Vocabulary::ready(encoding) {
        Some(vocabulary) if length_bytes <= QUICK_BYTES => count(vocabulary),
        _ => py.detach(|| count(Vocabulary::shared(encoding))),
    }
}

fn chosen(model: Option<&str>, encoding: Option<&str>) -> PyResult<Encoding> {
    match (model, encoding) {
        (Some(model), None) => encoding_of_model(model).ok_or_else(|| {
            PyValueError::new_err(format!("no vocabulary is known for model {model:?}; name an encoding"))
        }),
        (None, Some(name)) => Encoding::from_name(name).ok_or_else(|| {
            let known = Encoding::ALL.map(Encoding::name).join(", ");
            PyValueError::new_err(format!("unknown encoding {name:?}; there are {known}"))
        }),
        _ => Err(PyTypeError::new_err("exactly one of model and encoding is needed")),
    }
}

#[derive(Clone, Copy)]
enum Text<'py> {
    Str(&'py str),
    Bytes(&'py [u8]),
}

impl<'py> Text<'py> {
    fn of(value: &'py Bound<'_, PyAny>) -> PyResult<Self> {
        match value.cast::<PyBytes>() {
            Ok(bytes) => Ok(Self::Bytes(bytes.as_bytes())),
            Err(_) => Ok(Self::Str(value.cast::<PyString>()?.to_str()?)),
        }
    }

    fn octets(self) -> &'py [u8] {
        match self {
            Self::Str(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}
