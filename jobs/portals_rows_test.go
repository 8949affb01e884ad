package jobs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// rowTests names the tests of each row of the tables in docs/portals.md, and of the table
// of docs/sources.md that says when a run sees a change. A row is found by words of its
// first column.
var rowTests = []struct {
	page, words string
	tests       string
}{
	{"portals", "A list method answers without its list", "TestAnswerWithoutItsListIsAskedAgain TestAnswersWithoutListsChangeNothing TestLookUpWithoutItsListIsMadeAgain"},
	{"portals", "A page of a list is empty or short", "TestEmptyPagesAgainstTheCount TestEmptyPageThatPasses"},
	{"portals", "Counting loads every row", "TestOrdersOfItemsAreListedWithoutACount TestOddNights"},
	{"portals", "`crm.orderentity.list` with `start: -1`", "TestOwnersWhateverAStartOfMinusOneMeans"},
	{"portals", "A list of numbers in a filter", "TestPortalsThatCastLists TestFileOfIDsOnAPortalThatCastsLists TestListingsByItemsOnAPortalThatCastsLists TestCheckTellsOfCastLists"},
	{"portals", "An answer to a list of ids lacks", "TestOwnersThatAreMissingOnce TestLookUpWithoutItsListIsMadeAgain"},
	{"portals", "answers an empty list for an owner", "TestPaymentsOfOwnersThatAreMissingOnce TestTypesThatAreMissingOnce"},
	{"portals", "A right, a scope or a method is removed", "TestRightsThatShrink"},
	{"portals", "`crm.item.payment.get` refuses a payment that does not exist", "TestIDsRefusedInWordsThatDoNotTell"},
	{"portals", "`crm.type.list` is refused", "TestItemsWithoutTheListOfTypes"},
	{"portals", "refused with 200040300010", "TestListingsThatAreRefused"},
	{"portals", "`crm.item.payment.list` answers an empty list for CRM types", "TestCheckOfPortals TestItemsWithoutTheListOfTypes"},
	{"portals", "Refusals come with 401", "TestRefusalsMeanWhatTheyMean"},
	{"portals", "another authorization server", "TestRegionalAuthorizationServer"},
	{"portals", "`CONNECTION_ERROR`", "TestRefusalsMeanWhatTheyMean"},
	{"portals", "403 `ACCESS_DENIED`", "TestAccessDeniedOfOneMethod"},
	{"portals", "403 `WRONG_LICENSE`: the plan", "TestSinceEventsOnOddQueues"},
	{"portals", "`ERROR_CORE`", "TestDatabaseInTrouble"},
	{"portals", "`WRONG_ENCODING`", "TestTextThatCannotBeEncoded TestTextThatCannotBeEncodedByOwners TestRelatedTextThatCannotBeEncoded TestSavedOrdersThatCannotBeEncoded"},
	{"portals", "byte order mark", "TestAnswersWithSomethingAround"},
	{"portals", "PHP warnings", "TestAnswersWithSomethingAround"},
	{"portals", "303", "TestRenamedPortal"},
	{"portals", "refused for 300 s", "TestBanIsWaitedOut"},
	{"portals", "half or twice the time", "TestOtherWeightsDoNoHarm"},
	{"portals", "`operating` is a constant 0", "TestConstantCounter TestBanIsWaitedOut"},
	{"portals", "`operating_reset_at`", "TestResetBehindTheWindow TestResetBeyondTheWindow"},
	{"portals", "are shifted by the user's offset", "TestDatesOfLists TestDatesMoveBetweenNights TestDatesOfAPortalWithoutPaidPayments TestCheckTellsOfDatesOfLists"},
	{"portals", "DD/MM/YYYY", "TestDatesOfLists TestKnownDatesOfBillStay"},
	{"portals", "YYYY.MM.DD", "TestDatesOfLists TestKnownDatesOfBillStay"},
	{"portals", "another value of a column", "TestNightsWhereListAndGetDiffer TestWhatWasListedIsLost"},
	{"portals", "an hour comes twice", "TestHoursThatComeTwiceAcrossNights TestYearOfNights"},
	{"portals", "another zone's wall clock", "TestBackfillOfDays TestSinceOrdersWithoutAFilter"},
	{"portals", "A condition on a date is dropped", "TestBackfillWithoutAFilter TestSinceOrdersWithoutAFilter"},
	{"portals", "A condition on a date matches nothing", "TestBackfillWithoutAFilter TestSinceOrdersWithoutAFilter"},
	{"portals", "Sums come as PHP's floats", "TestLargeSums TestSumsAgreeWithPHP"},
	{"portals", "without their `PROCESS_ID`", "TestSinceEventsOnOddQueues TestSinceEventsDiesOnAHiddenQueue"},
	{"portals", "in spite of `clear: 0`", "TestSinceEventsOnOddQueues"},
	{"portals", "the same events again", "TestSinceEventsOnOddQueues"},
	{"portals", "ends in 403 `WRONG_LICENSE`", "TestSinceEventsOnOddQueues TestCheckOfAPlanWithoutEvents"},
	{"portals", "`event.bind`", "TestSinceEventsOnOddQueues"},
	{"portals", "`EVENT_DATA`", "TestSinceEventsFallsBack"},
	{"sources", "a payment is new", "TestChangesOfThePayment"},
	{"sources", "an order is deleted", "TestChangesBesideThePayment"},
	{"sources", "another owner", "TestChangesBesideThePayment"},
	{"sources", "a payment was refused", "TestChangesBesideThePayment"},
	{"sources", "a payment may not be read any more", "TestChangesOfThePayment"},
}

// Each row of these tables has a test, and each of these tests exists.
func TestRowsOfPortalsHaveTests(t *testing.T) {
	there := map[string]bool{}
	for _, folder := range []string{".", "../bitrix", "../bitrix/bitrixtest"} {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
				there[found[1]] = true
			}
		}
	}
	rows := map[string][]string{}
	for page, from := range map[string]string{"portals": "## Reference", "sources": "### When a run sees a change"} {
		text, err := os.ReadFile("../docs/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, found := strings.Cut(string(text), from)
		if !found {
			t.Fatalf("docs/%s.md has no %q", page, from)
		}
		rest, _, _ = strings.Cut(rest, "\n## ")
		for line := range strings.Lines(rest) {
			if cells := strings.Split(line, "|"); len(cells) > 2 && !strings.Contains(cells[1], "---") {
				rows[page] = append(rows[page], strings.TrimSpace(cells[1]))
			}
		}
	}
	used := map[int]bool{}
	for page, list := range rows {
		for _, row := range list {
			if row == "behaviour" || row == "change" {
				continue // the head of a table
			}
			found := false
			for i, r := range rowTests {
				if r.page == page && strings.Contains(row, r.words) {
					found, used[i] = true, true
				}
			}
			if !found {
				t.Errorf("docs/%s.md: no test is named for the row %q", page, row)
			}
		}
	}
	for i, r := range rowTests {
		if !used[i] {
			t.Errorf("docs/%s.md has no row with %q", r.page, r.words)
		}
		for name := range strings.FieldsSeq(r.tests) {
			if !there[name] {
				t.Errorf("the row %q has no test %s", r.words, name)
			}
		}
	}
}
