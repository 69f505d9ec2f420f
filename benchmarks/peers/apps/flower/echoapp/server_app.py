"""The server's part: Flower's own FedAvg, without evaluation; ``evaluate_fn`` is only used to note the time."""

from flwr.app import Array, ArrayRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

from . import workload

app = ServerApp()


@app.main()
def main(grid, context):
    """Run all rounds."""
    config = context.run_config
    edges, megabytes, arrays = int(config["edges"]), float(config["megabytes"]), int(config["arrays"])
    first = workload.model(megabytes, arrays, int(config["seed"]))
    weights = ArrayRecord({name: Array(array) for name, array in first.items()})
    del first

    def note(number, _arrays):
        workload.mark(config["marks"], "round", round=number)

    strategy = FedAvg(
        fraction_train=1.0,
        fraction_evaluate=0.0,
        min_train_nodes=edges,
        min_available_nodes=edges,
        weighted_by_key="num-examples",
    )
    result = strategy.start(
        grid=grid, initial_arrays=weights, num_rounds=int(config["rounds"]), evaluate_fn=note, timeout=3600.0
    )
    final = {name: array.numpy() for name, array in result.arrays.items()}
    workload.keep(config["final"], final, megabytes, arrays)
    workload.mark(config["marks"], "done")
