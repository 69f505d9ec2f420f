"""The owner's SQL store, on SQLite or MariaDB/MySQL, and the contract with those who read it.

The contract
============

Readers (the edge daemon) do not import this package: they reflect the tables below. All names are lower case; JSON is
text. Times are UTC without an offset.

``muster_datasets``, one row per dataset:

===============  ==============  =======================================================================================
column           type            meaning
===============  ==============  =======================================================================================
``name``         VARCHAR(64)     primary key: the dataset's name
``category``     VARCHAR(64)     task category, e.g. ``tabular_classification``
``target``       VARCHAR(64)     name of the column to be learned
``table_name``   VARCHAR(64)     the table with the rows; it may be another one after the next load
``columns``      TEXT            ``[{"column": "c0", "name": "mean radius", "kind": "real", "sql_type": "DOUBLE",
                                 "nullable": true}, ...]``: SQL column -> name in the owner's file, in order
``profile``      TEXT            what may leave the site: ``{"dataset", "category", "target", "columns": [{"name",
                                 "kind", "sql_type"}], "splits": {"train": {"rows", "nulls": [...], "classes":
                                 {label: rows} or null, "digest", "words": [{word: rows} or null, ...]}}}``; of
                                 the words, one per column, those that the owner lets go
``loads``        TEXT            ``{"train": [{"load": 7, "rows": 455, "digest": "sha256:..."}, ...], "test": [...]}``:
                                 the loads whose rows count, in order
``revision``     BIGINT          grows with every load and is never repeated in one store
``created_at``   DATETIME        of the first load
``updated_at``   DATETIME        of the last load
===============  ==============  =======================================================================================

The table named by ``table_name``: ``dataset_<slug>_<number>``, one row per record:

===============  ==============  =======================================================================================
``_load``        BIGINT          the load that brought the row; primary key together with ``_row``
``_row``         BIGINT          place of the row in its load: 0, 1, 2, ... without a gap
``_split``       VARCHAR(16)     ``train`` or ``test``
``c0``...        by kind         the cells; NULL when missing
===============  ==============  =======================================================================================

By kind: ``real`` is DOUBLE, ``integer`` BIGINT, ``boolean`` SMALLINT 0 or 1, ``text`` TEXT (UTF-8), ``timestamp``
DATE, DATETIME(6) or TIME(6) as ``sql_type`` says (both DATETIME and TIMESTAMP are DATETIME(6); a TIMESTAMP is in UTC).
``sql_type`` is what the owner declared and bounds the values; a DECIMAL is kept as a DOUBLE all the same. With
SQLAlchemy, take the column types from ``kind`` (``sqlalchemy.Double`` etc.), not from reflection: a reflected DOUBLE of
MariaDB comes back as a ``Decimal`` of ten digits, which is **not** the value.

How to read a split: in **one transaction** (SQLite: ``BEGIN``; MariaDB: REPEATABLE READ, the default), read the row of
``muster_datasets``; for each entry of ``loads[split]``, in order, ``SELECT ... FROM <table_name> WHERE _load = :load
ORDER BY _row``; count the rows and compare with ``rows``: a difference means that the store is damaged. A reader that
cannot keep one transaction open (SQLite in another journal mode, a transaction cut short) sees too few rows, or the
table gone, when a load replaced the split meanwhile: it must start over. **Never read without** ``_load``: the table
may hold rows of loads that are under way, were killed, or were replaced. Position ``i`` of a split is row
``i - (rows of earlier loads)`` of its load. ``ingest.domain.encoding`` documents the digest.

How a load is atomic
====================

Rows come in batches, a transaction each, under a new ``_load`` per split; nobody reads them. One last transaction
changes the row of ``muster_datasets``: it names the new loads, drops the replaced ones, and counts as the load. Killed
at any moment before, the old state holds; after, the new. Splits that come in together count from the same transaction.
No step needs DDL to be transactional: a table is created under a name that was never used before, and dropped when no
dataset and no load names it.

``muster_loads`` is this package's own journal: one row per load, ``loading``, ``live`` or ``stale``. A run that begins
makes older runs that are still ``loading`` the same split ``stale`` and then deletes all rows of stale loads; every
write of a run first checks that it is still ``loading``. So a run that was killed is cleaned up by the next run of its
split, and of two runs at once the later wins, the earlier ends with ``Conflict``; no clock and no lock is involved.

Limits: 980 columns; on MariaDB at most 379 of them text, or the row does not fit half an InnoDB page.
"""

from ingest.store.store import Store

__all__ = ["Store"]
