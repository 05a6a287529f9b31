package cloud

// SessionTags are the keys of the tags that EKS Auth gives to sessions:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html.
func SessionTags() []string {
	return []string{
		"eks-cluster-arn", "eks-cluster-name",
		"kubernetes-namespace", "kubernetes-service-account", "kubernetes-pod-name", "kubernetes-pod-uid",
	}
}

// Untagged is a policy that lets a session read, for each of SessionTags that it lacks, the object of UntaggedKey.
func Untagged(bucket *Bucket) Document {
	var documents []Document
	for _, tag := range SessionTags() {
		documents = append(documents, Allow([]string{bucket.ARN() + "/" + UntaggedKey(tag)}, "s3:GetObject").
			When("Null", "aws:PrincipalTag/"+tag, "true"))
	}
	return Join(documents...)
}

// UntaggedKey is the key of an object that a session without the tag may read.
func UntaggedKey(tag string) string { return "without/" + tag }
