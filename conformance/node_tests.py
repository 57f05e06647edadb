"""Writes ONNX's node tests, which newer packages compute instead of shipping them, to a folder: test_NAME/model.onnx
and test_NAME/test_data_set_0/{input,output}_K.pb."""

import sys
from pathlib import Path

import numpy as np
from onnx import numpy_helper
from onnx.backend.test.loader import load_node_model_tests


def main(folder: Path) -> None:
    for case in load_node_model_tests():
        if case.model is None or not case.data_sets:
            continue
        sets = [
            {
                f"{kind}_{at}.pb": array
                for kind, arrays in zip(("input", "output"), data)
                for at, array in enumerate(arrays)
            }
            for data in case.data_sets
        ]
        # Sequences, optional values and numbers without a type in NumPy are no tensors.
        if not all(isinstance(array, (np.ndarray, np.generic)) for data in sets for array in data.values()):
            continue
        try:
            files = [
                {name: numpy_helper.from_array(np.asarray(array)).SerializeToString() for name, array in data.items()}
                for data in sets
            ]
        except (RuntimeError, TypeError, ValueError, NotImplementedError, KeyError):
            continue
        test = folder / case.name
        for at, data in enumerate(files):
            (test / f"test_data_set_{at}").mkdir(parents=True, exist_ok=True)
            for name, contents in data.items():
                (test / f"test_data_set_{at}" / name).write_bytes(contents)
        (test / "model.onnx").write_bytes(case.model.SerializeToString())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
