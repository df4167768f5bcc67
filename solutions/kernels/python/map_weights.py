"""map_weights: a slice of the file for each tensor, read with another dtype."""

import json

from llaisys_mini import answer, dtypes


@answer("map_weights")
def map_weights(file):
    kinds = {"F32": dtypes.float32, "F16": dtypes.float16, "BF16": dtypes.bfloat16}
    ### BEGIN SOLUTION
    length = int.from_bytes(file[:8].tobytes(), "little")
    header = json.loads(file[8 : 8 + length].tobytes())
    numbers = file[8 + length :]
    arrays = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            arrays[name] = numbers[begin:end].view(kinds[entry["dtype"]]).reshape(entry["shape"])
    return arrays
    ### END SOLUTION
