"""All checks, and which cases they are for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from training.testing import guided, learning, losses, plans, processes, resuming, weighing
from training.testing.case import Case, Check

CHECKS: Final[tuple[Check, ...]] = (
    learning.parameters_are_arrays_of_its_own,
    learning.first_model_follows_from_the_seed,
    learning.training_changes_values_and_keeps_their_form,
    learning.same_work_gives_the_same_bits,
    learning.order_of_rows_follows_from_seed_and_cycle,
    learning.training_makes_predictions_better,
    learning.second_cycle_goes_on_from_received_weights,
    learning.predictions_have_one_form,
    learning.predicting_is_not_training,
    learning.progress_is_told_by_epochs,
    learning.an_edge_may_have_two_rows_of_one_class,
    learning.validation_rows_are_the_same_in_every_cycle,
    plans.an_object_of_something_else_is_refused,
    plans.every_field_is_used_or_refused,
    plans.a_clipped_gradient_moves_no_further,
    plans.a_schedule_goes_over_the_whole_experiment,
    plans.what_is_frozen_stays,
    plans.an_unknown_optimizer_is_refused,
    plans.what_is_not_finite_is_named,
    guided.it_is_guided_or_says_that_it_is_not,
    guided.what_is_learnt_is_among_the_parameters,
    guided.nothing_added_is_plain_training,
    guided.a_proximal_term_holds_the_model_near,
    guided.a_correction_is_added_to_the_gradient,
    weighing.weights_of_one_are_no_weights,
    weighing.a_heavy_class_is_predicted_more,
    weighing.a_step_goes_with_the_weight,
    losses.twice_the_loss_goes_twice_as_far,
    losses.a_loss_can_be_tried,
    resuming.an_optimizer_goes_on_from_what_was_kept,
    resuming.two_cycles_are_one_that_is_twice_as_long,
    resuming.what_was_kept_of_another_optimizer_is_refused,
)
"""For every case, in the process of the tests."""
WORKER_CHECKS: Final[tuple[Check, ...]] = (processes.workers_give_the_same_bits,)
"""In worker processes, which have to import the framework: for a case or two of each framework."""


def pairs(cases: Mapping[str, Case], checks: Iterable[Check] = CHECKS) -> list[tuple[Case, Check]]:
    """Each case with each check."""
    return [(case, check) for check in checks for case in cases.values()]
