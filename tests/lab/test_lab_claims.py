"""The sentences of the guides, run: as they stand where they are true, corrected where they are not."""

from __future__ import annotations

import pytest
from lab_runs import result_of

from trainwright.lab.misconceptions import MISCONCEPTIONS
from trainwright.lab.quizzes import QUESTIONS
from trainwright.lab.registry import CATALOGUE
from trainwright.lab.schema import Claim, Misconception, Question
from trainwright.lab.values import resolve

CLAIMS = [
    pytest.param(name, claim, id=f"{name}-{place}")
    for name, simulation in CATALOGUE.items()
    for place, claim in enumerate(simulation.claims)
]


@pytest.mark.parametrize(("name", "claim"), CLAIMS)
def test_a_sentence_of_the_guides_holds_when_it_is_run(name: str, claim: Claim) -> None:
    results = [result_of(name, values) for values in claim.cases]
    numbers = [{item.name: item.value for item in result.evidence} for result in results]
    assert claim.holds(*results), (claim.text, numbers)


@pytest.mark.parametrize(("name", "claim"), CLAIMS)
def test_a_claim_names_its_source_and_says_where_it_corrects_it(name: str, claim: Claim) -> None:
    assert claim.source.startswith("G")
    assert claim.text.endswith(".")
    assert claim.as_written != claim.text
    assert claim.cases


def test_the_sentences_that_are_known_to_be_wrong_are_corrected() -> None:
    corrected = " ".join(claim.as_written for each in CATALOGUE.values() for claim in each.claims)
    for words in (
        "breaks symmetry",  # it does not break it
        "Small gap = underfitting",  # a small gap may be health
        "Random beats grid",  # not where both matter alike
        "between 1e-4 and 1e-2 for SGD",  # depends on the curvature
        "MSE if |e|≤δ",  # half of it
        "≈ 2.302",  # 2.303
        "golden",  # not in float32
    ):
        assert words in corrected, words


@pytest.mark.parametrize("wrong", [pytest.param(each, id=each.link.simulation) for each in MISCONCEPTIONS])
def test_a_misconception_is_refuted_by_its_simulation(wrong: Misconception) -> None:
    assert wrong.refuted(result_of(wrong.link.simulation, wrong.link.values))


def test_the_three_misconceptions_are_there() -> None:
    assert len(MISCONCEPTIONS) == 3


@pytest.mark.parametrize("question", [pytest.param(each, id=f"chapter {each.chapter}") for each in QUESTIONS])
def test_a_question_has_one_right_answer_and_every_wrong_one_leads_to_what_refutes_it(question: Question) -> None:
    assert sum(answer.right for answer in question.answers) == 1
    assert len(question.answers) == 4
    for answer in question.answers:
        assert answer.feedback
        assert (answer.link is None) == answer.right
        if answer.link is not None:
            resolve(CATALOGUE[answer.link.simulation], answer.link.values)


def test_the_nine_chapters_with_a_question_have_one() -> None:
    assert [question.chapter for question in QUESTIONS] == [0, 1, 2, 3, 4, 5, 6, 8, 9]


def test_a_wrong_answer_to_the_quiz_opens_its_simulation() -> None:
    right = result_of("quiz", {"chapter": "5", "answer": "c"})
    wrong = result_of("quiz", {"chapter": "5", "answer": "a"})
    assert right.verdict.sign == "healthy"
    assert not right.steps
    assert wrong.verdict.sign == "warning"
    assert wrong.steps[0].links[0].simulation == "optimizer-race"
