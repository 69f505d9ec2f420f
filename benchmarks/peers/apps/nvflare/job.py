"""Writes the NVFlare job with the public recipe for FedAvg: ``job.py CONFIG FOLDER``, with CONFIG as JSON."""

import json
import sys

from nvflare.client.config import ExchangeFormat, TransferType
from nvflare.fuel.utils.constants import FrameworkType
from nvflare.recipe.fedavg import FedAvgRecipe
from persistor import EchoPersistor

config = json.loads(sys.argv[1])
edges = config.pop("edges")
recipe = FedAvgRecipe(
    name="echo",
    min_clients=edges,
    num_rounds=config["rounds"],
    train_script="client.py",
    framework=FrameworkType.NUMPY,
    server_expected_format=ExchangeFormat.NUMPY,
    params_transfer_type=TransferType.FULL,
    launch_external_process=False,
    model_persistor=EchoPersistor(**config),
)
recipe.add_server_file("workload.py")
recipe.add_client_file("workload.py")
recipe.export(sys.argv[2])
