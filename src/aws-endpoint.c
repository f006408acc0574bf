/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "aws-endpoint.h"

#include <errno.h>

/* The first prefix that matches counts; "" is the partition of every other region. */
typedef struct Partition {
        const char *prefix, *name, *suffix, *dualstack_suffix;
} Partition;

static const Partition partitions[] = {
        { "cn-", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn" },
        { "eusc-", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu" },
        { "us-gov-", "aws-us-gov", "amazonaws.com", "api.aws" },
        { "us-isob-", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud" },
        { "us-isof-", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov" },
        { "us-iso-", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov" },
        { "eu-isoe-", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk" },
        { "", "aws", "amazonaws.com", "api.aws" },
};

static const Partition *find_partition(const char *region)
{
        const Partition *p = partitions;

        while (!startswith(region, p->prefix))
                p++;
        return p;
}

const char *aws_partition(const char *region)
{
        return find_partition(region)->name;
}

const char *aws_service_to_string(AwsService s)
{
        static const char *const names[_AWS_SERVICE_MAX] = {
                [AWS_SERVICE_ECR] = "ecr",           [AWS_SERVICE_ECR_PUBLIC] = "ecr-public",
                [AWS_SERVICE_STS] = "sts",           [AWS_SERVICE_ROLES_ANYWHERE] = "rolesanywhere",
                [AWS_SERVICE_METADATA] = "metadata",
        };

        return names[s];
}

/* ECR's names start with "api.", but those for IPv4 and IPv6 do not. GovCloud's STS is FIPS as it is. */
int aws_endpoint(AwsService service, const char *region, bool fips, bool dualstack, char **ret)
{
        const Partition *p = find_partition(region);
        bool api = !dualstack && (service == AWS_SERVICE_ECR || service == AWS_SERVICE_ECR_PUBLIC);
        bool plain = service == AWS_SERVICE_STS && streq(p->name, "aws-us-gov") && !dualstack;

        *ret = str_printf("https://%s%s%s.%s.%s", api ? "api." : "", aws_service_to_string(service),
                          fips && !plain ? "-fips" : "", region,
                          dualstack ? p->dualstack_suffix : p->suffix);
        return *ret ? 0 : -ENOMEM;
}
