"""Which test stands for which fault of the table in performance-reliability.md 5.3; only tests that are there."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENROLMENT = "tests/unit/adapters/agents/test_enrolment.py"
STORE = "tests/unit/adapters/store/test_store_faults.py"
FAILOVER = "tests/unit/adapters/nsxt/client/test_failover.py"
HERE = "tests/simulate/test_faults.py"
TWICE = "tests/simulate/test_twice.py"
BRAKES = "tests/simulate/test_brakes.py"
FOREIGN = "tests/contract/test_vsphere_foreign.py"
TIDY = "tests/unit/reconcile/test_fabric_tidy.py"
STREAM = "tests/unit/adapters/agents/test_stream.py"

ASKED_FOR = {*range(1, 20), 21, 23, 24}
"""20, 22 and 25 to 30 are of other issues: bombs, archives, access, upgrades, Kubernetes, service brokers."""

COVERED = {
    1: (
        f"{HERE}::test_fault_1_killed_at_every_entry_of_the_journal_it_goes_on_by_itself",
        "tests/simulate/test_crash.py::test_killed_at_every_commit_the_same_request_ends_it_well",
        "tests/e2e/test_kill.py",
    ),
    2: (
        f"{HERE}::test_fault_2_an_error_at_any_call_of_a_repair_is_got_over",
        f"{TWICE}::test_wherever_a_plan_fails_it_says_so_and_asking_again_ends_it_well",
        f"{TWICE}::test_a_plan_whose_every_step_is_done_twice_comes_to_the_same",
    ),
    3: (f"{HERE}::test_fault_3_a_lost_reply_doubles_nothing",),
    4: (
        f"{HERE}::test_fault_4_a_vm_that_comes_ten_minutes_late_is_no_second_one",
        f"{HERE}::test_fault_4_a_vm_made_by_a_request_whose_token_was_replaced_is_not_waited_for_for_ever",
    ),
    5: (
        f"{HERE}::test_fault_5_a_stray_of_ours_is_shown_and_goes_after_its_grace_and_nothing_of_others_is_touched",
        f"{FOREIGN}::test_fault_5_what_another_director_left_is_neither_seen_nor_found_by_its_name",
        f"{FOREIGN}::test_fault_5_a_director_that_starts_anew_still_knows_which_are_its_own",
        f"{TIDY}::test_what_is_unrecorded_goes_when_it_is_found_again_an_hour_later",
        f"{TIDY}::test_what_others_made_is_never_taken",
    ),
    6: (
        f"{HERE}::test_fault_6_a_partitioned_vm_is_gone_before_its_disk_goes_to_another_and_its_agent_stays_out",
        "tests/simulate/test_fence.py",
    ),
    7: (f"{HERE}::test_fault_7_an_agent_that_flaps_is_left_alone",),
    8: (
        f"{HERE}::test_fault_8_what_is_lost_all_at_once_is_held_and_then_healed_by_itself",
        f"{HERE}::test_fault_8_a_few_are_healed_at_once",
    ),
    9: (
        f"{HERE}::test_fault_9_a_director_that_stood_still_blames_itself",
        f"{HERE}::test_fault_9_a_director_cut_off_from_all_repairs_nothing",
        f"{BRAKES}::test_fault_9_a_director_that_alone_is_cut_off_repairs_nothing_and_says_why",
        f"{BRAKES}::test_fault_9_a_director_whom_no_agent_finds_after_its_start_repairs_nothing",
    ),
    # A record is a file of one machine (docs/decisions/0002), so a lock of that machine is the lease, and never lapses.
    # Two directors of two records at one vCenter are fault 5.
    10: (
        f"{HERE}::test_fault_10_a_second_director_of_one_record_does_not_begin",
        f"{HERE}::test_fault_10_a_second_director_is_refused_also_while_the_first_stands_still_and_not_after_its_death",
    ),
    11: (
        f"{HERE}::test_fault_11_a_clock_that_jumps_kills_nobody",
        f"{HERE}::test_fault_11_a_clock_that_jumps_delays_no_repair",
        f"{HERE}::test_fault_11_a_clock_put_back_makes_no_vm_young_again",
    ),
    12: (
        f"{HERE}::test_fault_12_all_agents_come_back_at_once_and_nobody_is_taken_for_dead",
        f"{STREAM}::test_two_hundred_agents_connect_at_once",
    ),
    13: (
        f"{HERE}::test_fault_13_a_record_locked_for_a_minute_loses_nothing",
        f"{STORE}::test_a_record_locked_by_another_program_fails_soon_and_goes_on_after",
    ),
    14: (
        f"{HERE}::test_fault_14_a_full_disk_stops_new_work_and_it_goes_on_when_there_is_space",
        "tests/e2e/test_full_disk.py::test_a_deploy_on_a_full_disk_ends_in_words_and_is_repeated_when_there_is_space",
    ),
    15: (f"{HERE}::test_fault_15_with_a_record_of_yesterday_nothing_that_runs_is_destroyed",),
    16: (
        "tests/contract/test_vsphere.py::test_twenty_calls_that_find_the_session_ended_log_in_once",
        "tests/contract/nsxt/test_client.py::test_a_session_that_ended_between_two_calls_is_one_new_login",
    ),
    17: (
        "tests/contract/nsxt/test_faults.py::test_a_create_and_a_delete_whose_one_call_meets_it_end_settled",
        f"{FAILOVER}::test_a_429_is_never_the_callers_and_slows_all_of_that_user_down",
    ),
    18: (f"{HERE}::test_fault_18_a_call_that_hangs_holds_nobody_else_up",),
    19: (f"{HERE}::test_fault_19_without_room_nothing_more_is_taken_away_and_it_goes_on_later",),
    21: ("tests/simulate/test_converge.py::test_any_manifest_after_any_other_is_reached_and_then_rests",),
    23: (
        f"{STREAM}::test_a_flood_of_messages_is_read_slowly_and_others_are_served",
        f"{STREAM}::test_a_flood_of_unasked_results_by_an_agent_that_never_reads_costs_it_its_stream",
        f"{STREAM}::test_a_result_for_another_agents_question_answers_nothing",
    ),
    24: (
        f"{ENROLMENT}::test_a_revoked_agent_neither_connects_nor_enrols_until_invited_again",
        f"{STREAM}::test_the_newer_of_two_streams_of_one_agent_stays",
    ),
}


def test_every_fault_that_was_asked_for_has_a_case():
    assert set(COVERED) == ASKED_FOR


@pytest.mark.parametrize("fault", sorted(COVERED))
def test_the_tests_named_for_a_fault_are_there(fault):
    for named in COVERED[fault]:
        path, _, name = named.partition("::")
        tree = ast.parse((ROOT / path).read_text())
        tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        found = {test for test in tests if test.startswith("test_")}
        assert name in found if name else found, named


def test_every_case_here_is_in_the_table():
    tree = ast.parse((ROOT / HERE).read_text())
    cases = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_fault_")
    }
    listed = {named.partition("::")[2] for names in COVERED.values() for named in names if named.startswith(HERE)}
    assert cases == listed
