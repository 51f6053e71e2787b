package pgstore

import "strings"

// statements are those that run for every task or poll, with the schema filled in.
// Every table is named with its schema, since some run in a caller's transaction,
// which has a search_path of its own.
type statements struct {
	insert    string
	insertSQL string
	// tagged are the same for rows of which some have tags, and unique for those of
	// which some are to be unique.
	tagged    string
	taggedSQL string
	unique    string
	uniqueSQL string
	claim     string
	// claimChecked is for a queue with tickets that name no task.
	claimChecked string
	finish       string
	logs         string
}

func newStatements(schema string, events bool) statements {
	complete := func(text string) string { return inSchema(schema, announcing(text, events)) }
	return statements{
		insert:       complete(insertHead + insertFromArrays + insertAsGiven + insertNoTags + insertTail),
		insertSQL:    complete(insertHead + insertFromJSON + insertAsGiven + insertNoTags + insertTail),
		tagged:       complete(insertHead + insertFromArrays + insertAsGiven + insertTags + insertTail),
		taggedSQL:    complete(insertHead + insertFromJSON + insertAsGiven + insertTags + insertTail),
		unique:       complete(insertHead + insertFromArrays + insertInOrder + insertTags + insertTail),
		uniqueSQL:    complete(insertHead + insertFromJSON + insertInOrder + insertTags + insertTail),
		claim:        complete(claimBy(taskOfTicket)),
		claimChecked: complete(claimBy(taskOfTicketChecked)),
		finish:       complete(finishText),
		logs:         complete(logsText),
	}
}

// inSchema fills in the schema of a statement.
func inSchema(schema, text string) string { return strings.ReplaceAll(text, "{schema}", schema) }

// announcing is a statement with the part of it that records events, which stands
// between {event} and {/event}, or without.
func announcing(text string, events bool) string {
	before, rest, ok := strings.Cut(text, "{event}")
	if !ok {
		return text
	}
	event, after, _ := strings.Cut(rest, "{/event}")
	if !events {
		event = ""
	}
	return before + event + after
}

// text completes a statement that runs less often.
func (s *Store) text(statement string) string {
	return inSchema(s.schema, announcing(statement, !s.noEvents))
}
