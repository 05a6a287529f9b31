package serviceaccounts

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const (
	resource = "serviceaccounts"
	// metadataOnly makes the API server leave out everything but the metadata:
	// https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches.
	metadataOnly = "application/vnd.kubernetes.protobuf;as=%[1]s;g=meta.k8s.io;v=v1,application/json;as=%[1]s;g=meta.k8s.io;v=v1"
)

// Client is a Source that reads from an API server.
type Client struct {
	*cache.ListWatch
	api rest.Interface
}

// NewClient makes a Client. It has only the types of metadata. Those of a clientset would increase the program's size by
// half.
func NewClient(config *rest.Config) (*Client, error) {
	scheme := runtime.NewScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		return nil, fmt.Errorf("make client of the API server: %w", err)
	}
	core := schema.GroupVersion{Version: "v1"}
	metav1.AddToGroupVersion(scheme, core) // errors and events of the watch
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion = "/api", &core
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	api, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make client of the API server: %w", err)
	}
	return &Client{api: api, ListWatch: &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list := &metav1.PartialObjectMetadataList{}
			err := request(api, "PartialObjectMetadataList").VersionedParams(&options, metav1.ParameterCodec).Do(ctx).Into(list)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.Watch = true
			return request(api, "PartialObjectMetadata").VersionedParams(&options, metav1.ParameterCodec).Watch(ctx)
		},
	}}, nil
}

func request(api rest.Interface, form string) *rest.Request {
	return api.Get().Resource(resource).SetHeader("Accept", fmt.Sprintf(metadataOnly, form))
}

// Get implements Source.
func (c *Client) Get(ctx context.Context, namespace, name string) (*metav1.PartialObjectMetadata, error) {
	account := &metav1.PartialObjectMetadata{}
	if err := request(c.api, "PartialObjectMetadata").Namespace(namespace).Name(name).Do(ctx).Into(account); err != nil {
		return nil, fmt.Errorf("get service account: %w", err)
	}
	return account, nil
}
