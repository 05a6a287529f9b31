package scenario

import (
	"context"
	"time"

	"github.com/podidentity/epi/bench/generator"
	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/framework/workload"
)

// S3 is about requests that are signed with the credentials.
var S3 = measure.Scenario{
	Name: "s3", Title: "Signed requests to S3",
	About: "A pod with an association reads one object of 1 KiB, by the AWS SDK for Go v2 and its default chain, at several rates: its own " +
		"object, and one that its session tags deny it. The SDK keeps credentials, so this is the latency of S3 with signature and " +
		"policy. The agent should have nearly no calls and CPU time.",
	Source:  "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html",
	Subject: "agent",
	Size:    measure.Size{Rates: []float64{100, 500}, Duration: 2 * time.Second, Repeats: 4},
	Primary: []measure.Primary{{Case: "object=own/rate=*", Metric: measure.P50.Name}, {Case: "object=own/rate=*", Metric: measure.Failed.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
		app := newApplication(ctx, s)
		s.Progress("starting a pod")
		pod := workload.Start(ctx, s.Env, newPod(s, app, "reader", "pause"))
		if object := pod.Download(app.bucket.Name, app.own)(ctx); object.Failure != nil {
			s.T.Blamef("a pod with an association cannot read what its session could: %s", object.Failure)
		}
		read := func(key string, denied bool, rate float64) measure.Sample {
			s.Progress("%g requests a second", rate)
			job := load.Job{
				Seed: s.Seed, Phases: []load.Phase{{Name: "steady", From: rate, Lasts: s.Size.Duration}},
				Target: load.TargetSpec{S3: &load.S3Options{Bucket: app.bucket.Name, Key: key, Size: objectSize, Denied: denied}},
			}
			sample := s.Observe(ctx, 1, func(ctx context.Context) *load.Result {
				result, err := generator.RunIn(ctx, pod, job)
				if err != nil {
					s.T.Fatalf("%v", err)
				}
				return result
			})
			// The SDK's client was not calibrated: only the lateness of requests is known.
			sample.Limited = load.Limited(sample.Result, load.Own{}, rate)
			return sample
		}
		for range s.Size.Repeats {
			for _, rate := range s.Size.Rates {
				s.Case("object=own/rate=%g", rate).Add(read(app.own, false, rate))
			}
			rate := s.Size.Rates[0]
			s.Case("object=denied/rate=%g", rate).Add(read(app.foreign, true, rate))
		}
	},
}
