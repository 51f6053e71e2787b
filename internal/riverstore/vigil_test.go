package riverstore

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

// watched is what a node sees of another that gives a sign of life every two seconds
// until it dies, by a database whose clock is set meanwhile.
type watched struct {
	dies time.Duration // after the begin, 0 for never
	set  time.Duration // by how much the clock is set, after 20 s
}

// deadFrom is when the other is called dead, 0 for never within a minute.
func (w watched) deadFrom(t *testing.T, from time.Duration) (dead time.Duration) {
	t.Helper()
	v := vigil{me: "me"}
	begun := time.Now()
	for at := from; at < time.Minute; at += time.Second {
		now := at
		if at >= 20*time.Second {
			now += w.set
		}
		last := at.Truncate(beatInterval)
		if w.dies > 0 {
			last = min(at, w.dies).Truncate(beatInterval)
		}
		beat := last
		if last >= 20*time.Second {
			beat += w.set
		}
		beats := []Heartbeat{{"me", 1, time.Hour}, {"other", int64(time.Hour + beat), now - beat}}
		if nodes := v.dead(beats, begun.Add(at)); len(nodes) > 0 {
			require.Equal(t, []string{"other"}, nodes)
			return at
		}
	}
	return 0
}

func TestVigil(t *testing.T) {
	for name, w := range map[string]watched{
		"lives":                                 {},
		"lives, and the clock is set forward":   {set: time.Hour},
		"lives, and the clock is set back":      {set: -time.Hour},
		"dies":                                  {dies: 10 * time.Second},
		"dies, and the clock is set back":       {dies: 19 * time.Second, set: -time.Hour},
		"dies, and the clock is set forward":    {dies: 19 * time.Second, set: time.Hour},
		"dies once the clock was set back":      {dies: 31 * time.Second, set: -time.Hour},
		"dies once the clock was set forward":   {dies: 31 * time.Second, set: time.Hour},
		"dies as the clock is set back a bit":   {dies: 20 * time.Second, set: -5 * time.Second},
		"lives, and the clock is set by a beat": {set: beatInterval},
	} {
		t.Run(name, func(t *testing.T) {
			dead := w.deadFrom(t, 0)
			if w.dies == 0 {
				require.Zero(t, dead)
				return
			}
			require.Greater(t, dead, w.dies)
			require.LessOrEqual(t, dead-w.dies, DeadAfter+time.Second)
		})
	}
	t.Run("one that starts late looks twice", func(t *testing.T) {
		require.Equal(t, 30*time.Second+secondLook, watched{dies: 10 * time.Second}.deadFrom(t, 30*time.Second))
	})
	t.Run("one that is not there any more", func(t *testing.T) {
		v, now := vigil{}, time.Now()
		gone := []Heartbeat{{Node: "gone"}}
		require.Empty(t, v.dead(gone, now))
		require.Empty(t, v.dead(gone, now.Add(secondLook-time.Millisecond)))
		require.Equal(t, []string{"gone"}, v.dead(gone, now.Add(secondLook)))
		require.Empty(t, v.dead(nil, now))
		require.Empty(t, v.dead(gone, now.Add(time.Hour)), "it came back and went again")
	})
}

// cutOff runs an attempt on a node whose last sign of life is as old as that.
func cutOff(t *testing.T, age time.Duration, down bool, running ...Attempt) (end *End, began bool) {
	t.Helper()
	waitFor(t.Context(), time.Hour) // so that there is a past
	r := attemptRunner(&runningDB{running: running, fakeDB: &fakeDB{finish: func(ends []*End) ([]bool, error) {
		end = ends[0]
		return []bool{true}, nil
	}}}, &fakeHandler{handle: func(context.Context, *task.Execution, task.LogSink) task.Outcome {
		began = true
		return task.Outcome{}
	}})
	defer r.interrupt()
	r.config.Node = "me"
	r.pulse = newPulse(&fakeFleet{down: down}, task.Node{ID: "me"}, r.config.Logger)
	r.pulse.beaten(time.Now().Add(-age))
	r.run(t.Context(), &Claim{Execution: attemptOf(time.Minute)})
	require.NoError(t, r.waitStored(t.Context()))
	return end, began
}

// A node that may have been called dead begins nothing before it knows that it was not.
func TestCutOffNodeBeginsNothing(t *testing.T) {
	mine := Attempt{Task: task.ID{9}, Lease: 5, Number: 1}
	for name, test := range map[string]struct {
		age     time.Duration
		down    bool
		running []Attempt
		begins  bool
		says    string
	}{
		"heard of just now":               {age: beatInterval, down: true, begins: true},
		"cut off":                         {age: secondLook, down: true, running: []Attempt{mine}, says: "cut off"},
		"stood still, and was taken over": {age: time.Minute, running: []Attempt{{Task: task.ID{9}, Lease: 7, Number: 1}}, says: "another node"},
		"stood still, and was not missed": {age: time.Minute, running: []Attempt{{Task: task.ID{1}}, mine}, begins: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end, began := cutOff(t, test.age, test.down, test.running...)
				require.Equal(t, test.begins, began)
				if began {
					require.Equal(t, task.Success, end.Status)
					return
				}
				require.Equal(t, task.Pending, end.Status)
				require.True(t, end.GiveBack)
				require.Contains(t, end.Failure.Message, test.says)
			})
		})
	}
}
