"""Lists show themselves, and nothing in them is taken for markup."""

from __future__ import annotations

from muster.sdk.listing import Listing

COLUMNS = {"name": lambda each: each, "long name": lambda each: len(each)}


def test_a_list_shows_itself() -> None:
    found = Listing(["abc", "[red]<b>"], COLUMNS, "nothing")
    assert repr(found).splitlines() == ["NAME      LONG NAME", "abc       3", "[red]<b>  8"]
    assert "<td>[red]&lt;b&gt;</td>" in found._repr_html_()
    assert (len(found), found[0], list(found[1:])) == (2, "abc", ["[red]<b>"])


def test_an_empty_list_says_why() -> None:
    assert repr(Listing([], COLUMNS, "nothing <yet>")) == "nothing <yet>"
    assert Listing([], COLUMNS, "nothing <yet>")._repr_html_() == "<p>nothing &lt;yet&gt;</p>"
