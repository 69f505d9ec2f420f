"""``muster edges`` and ``muster datasets``: what the federation consists of."""

from __future__ import annotations

import typer

from muster.cli.frame import As, Federation, Frame, Json, table

app = typer.Typer()


@app.command()
def edges(federation: Federation = None, as_: As = None, json: Json = False) -> None:
    """List the edges: whether they are live, what they can do, how they isolate workers."""
    frame = Frame(as_json=json, federation=federation, principal=as_)

    async def work() -> None:
        async with frame.connect() as client:
            world, enrolled = await client.world_of(), await client.edges()
        facts = [
            {**body.model_dump(mode="json"), "live": world.fleet.presence(edge).live}
            for edge, body in sorted(enrolled.items())
        ]
        shown = table("EDGE", "LIVE", "CPUS", "MEMORY", "FRAMEWORKS", "ISOLATION", "RELEASE")
        for fact in facts:
            capacity = fact["capacity"]
            shown.add_row(
                fact["edge"],
                "yes" if fact["live"] else "no",
                str(capacity["cpus"]),
                f"{capacity['memory_bytes'] / 1024**3:.1f} GiB",
                ", ".join(fact["frameworks"]),
                fact["isolation"],
                fact["release"],
            )
        frame.out.result({"edges": facts}, shown if facts else "no edge has enrolled yet")

    frame.run(work)


@app.command()
def datasets(federation: Federation = None, as_: As = None, json: Json = False) -> None:
    """List the datasets that edges registered: metadata only, rows never leave an edge."""
    frame = Frame(as_json=json, federation=federation, principal=as_)

    async def work() -> None:
        async with frame.connect() as client:
            found = await client.datasets()
        facts = [body.model_dump(mode="json") for _, held in sorted(found.items()) for _, body in sorted(held.items())]
        shown = table("DATASET", "EDGE", "CATEGORY", "TARGET", "COLUMNS", "ROWS", "CLASSES")
        for fact in facts:
            rows = ", ".join(f"{split} {counts['rows']}" for split, counts in fact["splits"].items())
            shown.add_row(
                fact["dataset"],
                fact["edge"],
                fact["category"],
                fact["target"],
                str(len(fact["columns"])),
                rows,
                _classes(fact["splits"]),
            )
        frame.out.result({"datasets": facts}, shown if facts else "no datasets yet: bring one in with 'muster ingest'")

    frame.run(work)


def _classes(splits: dict[str, dict[str, dict[str, int] | None]]) -> str:
    classes = (splits.get("train") or {}).get("classes") or {}
    return ", ".join(f"{name}: {count}" for name, count in sorted(classes.items()))
