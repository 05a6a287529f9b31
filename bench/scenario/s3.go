package scenario

import (
	"context"
	"time"

	"github.com/podidentity/epi/bench/generator"
	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/framework/workload"
)

// S3 is what credentials are for.
var S3 = Scenario{
	Name: "s3", Title: "Signed requests to S3",
	About: "A pod with an association reads one object of 1 KiB, by the AWS SDK for Go v2 and its default chain, at several rates: its own " +
		"object, and one that its session tags deny it. The SDK keeps credentials, so this is the latency of the way to S3, signature and " +
		"policy included. Calls and CPU time of the agent should be next to nothing.",
	Source:  "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html",
	Subject: "agent",
	Size:    Size{Rates: []float64{100, 500}, Duration: 2 * time.Second, Repeats: 4},
	Primary: []Primary{{"object=own/rate=*", P50.Name}, {"object=own/rate=*", Failed.Name}},
	Run: func(ctx context.Context, s *Setup) {
		app := s.newApplication(ctx)
		s.Progress("starting a pod")
		pod := workload.Start(ctx, s.Env, s.pod(app, "reader", "pause"))
		if object := pod.Download(app.bucket.Name, app.own)(ctx); object.Failure != nil {
			s.T.Blamef("a pod with an association cannot read what its session could: %s", object.Failure)
		}
		read := func(key string, denied bool, rate float64) Sample {
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
			// The SDK's client was never calibrated: what can be told is how late requests began.
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
