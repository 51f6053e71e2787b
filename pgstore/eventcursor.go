package pgstore

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/taskhost/taskhost/task"
)

// eventCursor says which events a reader has seen: those of the transactions below
// next, but for those that are open.
//
// Transactions commit in another order than they take numbers in, so one number could
// not say it. To wait until all lower ones have ended would do too, and would hold up
// every event while any transaction of the server is open.
type eventCursor struct {
	next uint64
	open []openTransaction // in order
}

// openTransaction is one of which not all was seen: it had not been committed then, or
// there was no room for more. What was seen of it goes up to the event seen, or 0.
type openTransaction struct {
	xid  uint64
	seen int64
}

// text writes a cursor so that a header can hold it: as next.xid.xid-seen…
func (c *eventCursor) text() task.EventCursor {
	var b strings.Builder
	b.WriteString(strconv.FormatUint(c.next, 10))
	for _, o := range c.open {
		b.WriteString("." + strconv.FormatUint(o.xid, 10))
		if o.seen > 0 {
			b.WriteString("-" + strconv.FormatInt(o.seen, 10))
		}
	}
	return task.EventCursor(b.String())
}

func parseEventCursor(text task.EventCursor) (*eventCursor, error) {
	next, rest, more := strings.Cut(string(text), ".")
	c := new(eventCursor)
	var err error
	if c.next, err = parseXID(next); err != nil {
		return nil, errCursor
	}
	for more {
		var part string
		part, rest, more = strings.Cut(rest, ".")
		xid, seen, partly := strings.Cut(part, "-")
		var o openTransaction
		if o.xid, err = parseXID(xid); err != nil {
			return nil, errCursor
		}
		if partly {
			if o.seen, err = strconv.ParseInt(seen, 10, 64); err != nil || o.seen < 0 {
				return nil, errCursor
			}
		}
		c.open = append(c.open, o)
	}
	return c, nil
}

var errCursor = &task.InvalidError{Field: "after", Problem: "must be the id of an event, as this server gave it"}

func parseXID(text string) (uint64, error) { return strconv.ParseUint(text, 10, 64) }

// parseSnapshot reads Postgres's text of a snapshot, which is xmin:xmax:open,open…
func parseSnapshot(text string) (*eventCursor, error) {
	_, rest, _ := strings.Cut(text, ":")
	next, open, _ := strings.Cut(rest, ":")
	c := new(eventCursor)
	var err error
	if c.next, err = parseXID(next); err != nil {
		return nil, err
	}
	for part := range strings.SplitSeq(open, ",") {
		if part == "" {
			continue
		}
		xid, err := parseXID(part)
		if err != nil {
			return nil, err
		}
		c.open = append(c.open, openTransaction{xid: xid})
	}
	slices.SortFunc(c.open, func(a, b openTransaction) int { return cmp.Compare(a.xid, b.xid) })
	return c, nil
}

// behind is the cursor behind an event that was read after c, when now could be seen.
// Events are read in the order of their transactions.
func (c *eventCursor) behind(xid uint64, seq int64, now *eventCursor) *eventCursor {
	partly := openTransaction{xid, seq}
	if xid >= c.next {
		below, _ := now.find(xid)
		return &eventCursor{next: xid + 1, open: append(slices.Clone(now.open[:below]), partly)}
	}
	// It was open before. Those below it that are not open any more were read.
	after := &eventCursor{next: c.next}
	for _, o := range c.open {
		_, still := now.find(o.xid)
		switch {
		case o.xid == xid:
			after.open = append(after.open, partly)
		case o.xid > xid || still:
			after.open = append(after.open, o)
		}
	}
	return after
}

func (c *eventCursor) find(xid uint64) (place int, found bool) {
	return slices.BinarySearchFunc(c.open, xid, func(o openTransaction, xid uint64) int { return cmp.Compare(o.xid, xid) })
}

// lacks reports whether an event had not been seen that was deleted, and with it all
// before it. A transaction that was open for longer than events are kept is not looked
// for.
func (c *eventCursor) lacks(xid uint64, seq int64) bool {
	place, found := c.find(xid)
	return xid >= c.next || found && seq > c.open[place].seen
}

// arguments are what is open as arrays.
func (c *eventCursor) arguments() (xids []string, seen []int64) {
	xids, seen = make([]string, len(c.open)), make([]int64, len(c.open))
	for i, o := range c.open {
		xids[i], seen[i] = strconv.FormatUint(o.xid, 10), o.seen
	}
	return xids, seen
}
