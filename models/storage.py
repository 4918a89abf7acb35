"""Files of a model: JSON for its structure, NumPy arrays, LightGBM's text, and pickles of what has no such format.

Reading JSON, arrays and LightGBM's text runs no code. A pickle does, so read files only after verifying that this shop
wrote them (`pipelines.tracking.seals`); the unpickler then still refuses everything but scikit-learn, NumPy and
`models`. docs/decisions/0026 lists what is pickled, and why.
"""

import importlib
import io
import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import MISSING, is_dataclass
from dataclasses import fields as dataclass_fields
from functools import cache, singledispatchmethod
from pathlib import Path
from types import NoneType
from typing import Any, TypeAlias

import lightgbm
import numpy as np
import pandas as pd
from typing_extensions import override

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | int | bool | None"

STRUCTURE = "model.json"
ARRAYS = "arrays.npz"

ESTIMATORS = ("LinearRegression", "LogisticRegression", "Ridge")
"""Estimators of `sklearn.linear_model` whose learned state is numbers alone; they are stored as such."""

PICKLED = ("sklearn.", "models.")
"""Packages whose classes a pickled object may use."""

CONSTRUCTORS = {
    "builtins": ("frozenset", "set", "slice"),
    "functools": ("partial",),
    "numpy": ("dtype", "float64", "ndarray"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy.random._mt19937": ("MT19937",),
    "numpy.random._pcg64": ("PCG64",),
    "numpy.random._pickle": ("__bit_generator_ctor", "__generator_ctor", "__randomstate_ctor"),
    "numpy.random.bit_generator": ("SeedSequence", "__pyx_unpickle_SeedSequence"),
}
"""Other callables that a pickled object may use, by module."""

FUNCTIONS = (("sklearn.utils.validation", "check_array"),)
"""Functions of scikit-learn that its estimators refer to."""


def write(model: object, folder: Path) -> None:
    """Write the files of a model, or of a dictionary of its parts, to an empty folder.

    >>> import tempfile
    >>> from models.families.baselines import Mean
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Mean(spend=15.0, probability=0.5), Path(folder))
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['arrays.npz', 'model.json']
    """
    writer = _Writer()
    structure = writer.encode(model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STRUCTURE).write_text(json.dumps(structure))
    content = io.BytesIO()
    np.savez(content, **writer.arrays)  # type: ignore[arg-type] # the stubs take the names for options
    (folder / ARRAYS).write_bytes(content.getvalue())
    for name, data in writer.files.items():
        (folder / name).write_bytes(data)


def read(folder: Path) -> Any:  # noqa: ANN401 - a model or a dictionary of its parts
    """Read what `write` wrote; the caller has verified the files.

    Raises:
        ValueError: the files hold something that `write` does not write.
        OSError: a file cannot be read.

    >>> import tempfile
    >>> from models.families.baselines import Mean
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Mean(spend=15.0, probability=0.5), Path(folder))
    ...     read(Path(folder))
    Mean(spend=15.0, probability=0.5)
    """
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        reader = _Reader(folder, dict(arrays))
    return reader.decode(json.loads((folder / STRUCTURE).read_text()))


class _Writer:
    """Turns objects into JSON; collects arrays and the content of files beside it."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray[Any, Any]] = {}
        self.files: dict[str, bytes] = {}

    @singledispatchmethod
    def encode(self, value: object) -> Json:
        """JSON of a value; a dictionary with one key names what it stands for."""
        kind = type(value)
        name = f"{kind.__module__}:{kind.__qualname__}"
        if is_dataclass(value) or name in _estimators():
            state: Any = kind.__getstate__(value) if is_dataclass(kind) else vars(value)
            return {"object": [name, self._state(state or {})]}
        return {"pickle": self._file("pkl", pickle.dumps(value))}

    @encode.register(NoneType)
    @encode.register(bool)
    @encode.register(str)
    @encode.register(int)
    @encode.register(float)
    def _plain(self, value: str | float | None) -> Json:
        return value

    @encode.register
    def _list(self, value: list) -> Json:
        return [self.encode(item) for item in value]

    @encode.register
    def _dict(self, value: dict) -> Json:
        return {"dict": [[self.encode(key), self.encode(item)] for key, item in value.items()]}

    @encode.register
    def _tuple(self, value: tuple) -> Json:
        kind = type(value)
        if hasattr(value, "_asdict"):
            return {"object": [f"{kind.__module__}:{kind.__qualname__}", self._state(value._asdict())]}
        return {"tuple": [self.encode(item) for item in value]}

    @encode.register(np.ndarray)
    @encode.register(np.generic)
    def _array(self, value: "np.ndarray[Any, Any] | np.generic") -> Json:
        array = np.asarray(value)
        if array.dtype == object:
            return {"objects": [list(array.shape), self.encode(array.ravel().tolist())]}
        name = f"a{len(self.arrays)}"
        self.arrays[name] = array
        return {"array": name}

    @encode.register
    def _index(self, value: pd.MultiIndex) -> Json:
        return {"index": [self.encode(list(value.names)), self.encode(value.tolist())]}

    @encode.register
    def _booster(self, value: lightgbm.Booster) -> Json:
        return {"booster": self._file("txt", value.model_to_string(num_iteration=-1).encode())}

    def _state(self, state: Mapping[str, object]) -> Json:
        return {name: self.encode(item) for name, item in state.items()}

    def _file(self, kind: str, content: bytes) -> str:
        name = f"{len(self.files)}.{kind}"
        self.files[name] = content
        return name


class _Reader:
    """Turns JSON, arrays and files into objects again."""

    def __init__(self, folder: Path, arrays: Mapping[str, Any]) -> None:
        self.folder, self.arrays = folder, arrays
        self.kinds: dict[str, Callable[[Any], Any]] = {
            "dict": lambda content: {self.decode(key): self.decode(item) for key, item in content},
            "tuple": lambda content: tuple(self.decode(item) for item in content),
            "array": lambda name: arrays[name] if arrays[name].ndim else arrays[name][()],
            "objects": lambda content: np.array([*self.decode(content[1]), None], object)[:-1].reshape(content[0]),
            "index": lambda content: pd.MultiIndex.from_tuples(self.decode(content[1]), names=self.decode(content[0])),
            "booster": lambda name: lightgbm.Booster(model_str=self._file(name).decode()),
            "object": lambda content: self._object(*content),
            "pickle": lambda name: _Unpickler(io.BytesIO(self._file(name))).load(),
        }

    def decode(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """Return the object that the JSON stands for."""
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        ((kind, content),) = value.items()
        if kind not in self.kinds:
            raise ValueError(f"Expected one of {', '.join(self.kinds)}, found '{kind}'.")
        return self.kinds[kind](content)

    def _object(self, name: str, state: Mapping[str, Any]) -> object:
        kind = _class(name)
        fields = {field: self.decode(item) for field, item in state.items()}
        if issubclass(kind, tuple):
            return kind(**fields)
        if is_dataclass(kind):
            needed = {
                one.name for one in dataclass_fields(kind) if one.default is MISSING and one.default_factory is MISSING
            }
            if lacks := sorted(needed - fields.keys()):
                raise ValueError(f"Expected {name} with {', '.join(lacks)}: another version of Purse has stored it.")
        made = kind.__new__(kind)
        made.__dict__.update(fields)
        return made

    def _file(self, name: str) -> bytes:
        if Path(name).name != name:
            raise ValueError(f"Expected the name of a file in the model's folder, found '{name}'.")
        return (self.folder / name).read_bytes()


class _Unpickler(pickle.Unpickler):
    """Unpickles objects of scikit-learn, NumPy and `models` only."""

    @override
    def find_class(self, module: str, name: str) -> Any:
        if name in CONSTRUCTORS.get(module, ()):
            return super().find_class(module, name)
        if module.startswith(PICKLED) and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) or name.startswith("__pyx_unpickle") or (module, name) in FUNCTIONS:
                return found
        raise ValueError(f"Expected an object of scikit-learn, NumPy or models, found {module}.{name}.")


@cache
def _estimators() -> dict[str, type]:
    """Classes of `ESTIMATORS` by module and name."""
    from sklearn import linear_model

    kinds = [getattr(linear_model, name) for name in ESTIMATORS]
    return {f"{kind.__module__}:{kind.__qualname__}": kind for kind in kinds}


def _class(name: str) -> type:
    """Class of a stored object: an estimator, or a dataclass or named tuple of `models`."""
    if name in _estimators():
        return _estimators()[name]
    module, _, qualified = name.partition(":")
    found = getattr(importlib.import_module(module), qualified, None) if module.startswith("models.") else None
    if not isinstance(found, type) or not (is_dataclass(found) or issubclass(found, tuple)):
        raise ValueError(f"Expected a class of models, found '{name}'.")
    return found
