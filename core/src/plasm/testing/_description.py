"""A runtime says what it is, what it enforces and what it provides; the other tests take it at its word."""

from __future__ import annotations

from plasm.model import Feature, LimitKind
from plasm.testing._workbench import Workbench


class Description(Workbench):
    """What ends up in receipts, and decides which jobs are refused."""

    def test_it_says_what_it_is(self) -> None:
        """It says its name and version, and every job's report has them."""
        description = self.description
        assert description.name, description
        assert description.version, description
        report = self.run("args").report
        assert (report.runtime_name, report.runtime_version) == description[:2], report

    def test_it_names_limits_and_features_in_the_words_of_the_model(self) -> None:
        """It names what it enforces and provides in the words of the model."""
        description = self.description
        assert description.enforces <= set(LimitKind), description
        assert description.provides <= set(Feature), description
        alone = Feature.WRITABLE_FOLDERS in description.provides and Feature.FOLDERS not in description.provides
        assert not alone, "writable folders are folders, too"
