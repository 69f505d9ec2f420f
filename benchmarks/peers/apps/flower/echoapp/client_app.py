"""The client's part."""

from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from . import workload

app = ClientApp()


@app.train()
def train(message, context):
    """Add the constant."""
    edge = int(context.node_config["partition-id"])
    weights = {name: array.numpy() for name, array in message.content["arrays"].items()}
    trained = ArrayRecord({name: Array(array) for name, array in workload.trained(weights, edge).items()})
    metrics = MetricRecord({"num-examples": workload.examples(edge)})
    return Message(content=RecordDict({"arrays": trained, "metrics": metrics}), reply_to=message)
