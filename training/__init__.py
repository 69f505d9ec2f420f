"""What runs beside the vendor's code: model contract, plan, frameworks, task categories, metrics, worker.

Knows nothing of the bus, of experiments or of other edges: it turns a configuration, a dataset and input
weights into files in an output directory. Imports nothing of ours. A framework is imported only inside its
own plug-in. Imported by the edge daemon, which starts workers, and by the faces, which check plans early.
"""
