package control

// Wanted are the clusters that EKS was asked for. A program that creates them compares them with the existing ones, acts,
// and reports. It need not store anything: it may send a report any number of times.
type Wanted struct {
	// Revision changes whenever something may have changed.
	Revision string          `json:"revision"`
	Clusters []WantedCluster `json:"clusters"`
}

// WantedCluster is a cluster that CreateCluster made. It is listed until a report says that it is gone.
type WantedCluster struct {
	Name string `json:"name"`
	// ID distinguishes the cluster from an earlier one with the same name.
	ID  string `json:"id"`
	ARN string `json:"arn"`
	// Version such as "1.36", ServiceCIDR such as "10.100.0.0/16".
	Version     string `json:"version"`
	ServiceCIDR string `json:"serviceCidr"`
	RoleARN     string `json:"roleArn"`
	// Creator is the IAM user or role that made it.
	Creator string `json:"creator"`
	// Status is EKS's current status. Delete says that it is to be deleted.
	Status     string            `json:"status"`
	Delete     bool              `json:"delete,omitempty"`
	Nodegroups []WantedNodegroup `json:"nodegroups"`
	Addons     []WantedAddon     `json:"addons"`
}

// WantedNodegroup is a node group of a cluster.
type WantedNodegroup struct {
	Name   string `json:"name"`
	ID     string `json:"id"`
	ARN    string `json:"arn"`
	Status string `json:"status"`
	Delete bool   `json:"delete,omitempty"`
	// Size is the number of nodes.
	Size          int               `json:"size"`
	Labels        map[string]string `json:"labels,omitempty"`
	Taints        []Taint           `json:"taints,omitempty"`
	InstanceTypes []string          `json:"instanceTypes,omitempty"`
	Spot          bool              `json:"spot,omitempty"`
	RoleARN       string            `json:"roleArn"`
	// HopLimit (1 to 64) and HTTPTokens ("optional" or "required") are those of new nodes, by the launch template. Each
	// instance has its own hop limit, which may have been changed since.
	HopLimit   int    `json:"hopLimit"`
	HTTPTokens string `json:"httpTokens"`
	// Instances are those of the last report, in its order.
	Instances []WantedInstance `json:"instances"`
}

// WantedInstance is a node of the last report.
type WantedInstance struct {
	ID       string `json:"id"`
	HopLimit int    `json:"hopLimit"`
}

// Taint of nodes; Effect is NO_SCHEDULE, NO_EXECUTE or PREFER_NO_SCHEDULE.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// WantedAddon is an add-on of a cluster.
type WantedAddon struct {
	Name string `json:"name"`
	ID   string `json:"id"`
	ARN  string `json:"arn"`
	// Version such as "v1.3.10-eksbuild.1", Configuration in JSON or YAML of the add-on's schema.
	Version       string `json:"version"`
	Namespace     string `json:"namespace"`
	Configuration string `json:"configuration,omitempty"`
	RoleARN       string `json:"roleArn,omitempty"`
	Status        string `json:"status"`
	Delete        bool   `json:"delete,omitempty"`
}

// The states of a report.
const (
	Active   = "ACTIVE"
	Degraded = "DEGRADED"
	Failed   = "FAILED"
	// Gone is the report after Delete.
	Gone = "GONE"
)

// Issue is a health issue; its codes are those of ClusterIssue, Issue and AddonIssue of the EKS API.
type Issue struct {
	Code        string   `json:"code,omitempty"`
	Message     string   `json:"message,omitempty"`
	ResourceIDs []string `json:"resourceIds,omitempty"`
}

// Observed is a report about a cluster.
type Observed struct {
	// ID is the wanted cluster's. A report about an earlier cluster is stale. An empty ID is not compared.
	ID string `json:"id,omitempty"`
	// Status is Active, Failed or Gone.
	Status string  `json:"status"`
	Issues []Issue `json:"issues,omitempty"`
	// Cluster is required with Active.
	Cluster *Cluster `json:"cluster,omitempty"`
}

// ObservedPart is a report about a node group or an add-on.
type ObservedPart struct {
	// ID is the wanted one's. A report about an earlier one is stale. An empty ID is not compared.
	ID string `json:"id,omitempty"`
	// Status is Active, Degraded, Failed or Gone.
	Status string  `json:"status"`
	Issues []Issue `json:"issues,omitempty"`
	// Instances are the nodes of a node group. A node that is not among them is gone.
	Instances []ObservedInstance `json:"instances,omitempty"`
}

// ObservedInstance is a node.
type ObservedInstance struct {
	// ID such as "i-0123456789abcdef0"; if it is "", one is generated.
	ID         string `json:"id,omitempty"`
	PrivateIP  string `json:"privateIp,omitempty"`
	PrivateDNS string `json:"privateDns,omitempty"`
}
