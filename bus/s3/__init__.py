"""An S3-compatible store of sealed chunks, beside the broker: settings, the adapter, what each principal may do there.

Nothing but this room imports ``obstore``, and only ``blobs`` does: without the extra ``s3`` everything else works.
``docs/decisions/0022`` says what is asked of such a store and what is not.
"""
