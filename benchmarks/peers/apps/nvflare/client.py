"""The client's part, with NVFlare's client interface, in the process of the client's job."""

import nvflare.client as flare
import workload
from nvflare.apis.fl_constant import FLMetaKey

flare.init()
edge = int(flare.system_info()["site_name"].split("-")[-1]) - 1
while flare.is_running():
    received = flare.receive()
    if received is None:
        break
    flare.send(
        flare.FLModel(
            params=workload.trained(received.params, edge),
            params_type=flare.ParamsType.FULL,
            meta={FLMetaKey.NUM_STEPS_CURRENT_ROUND: workload.examples(edge)},
        )
    )
