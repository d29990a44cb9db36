import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { OverviewPage } from "./overview/OverviewPage.tsx";
import { FailedPage, MissingPage } from "./shell/Failures.tsx";
import { Shell } from "./shell/Shell.tsx";

/** One route a page. The paths here are the patterns of paths.ts; a test holds the two together. */
const root = createRootRoute({ notFoundComponent: MissingPage, errorComponent: FailedPage });
const shell = createRoute({ getParentRoute: () => root, id: "shell", component: Shell });
const below = () => shell;

const pages = [
  createRoute({ getParentRoute: below, path: "/", component: OverviewPage }),
  createRoute({ getParentRoute: below, path: "$", component: MissingPage }),
  createRoute({
    getParentRoute: below,
    path: "/kpis",
    component: lazyRouteComponent(() => import("./kpi/KpisPage.tsx"), "KpisPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/devices",
    component: lazyRouteComponent(() => import("./registry/DevicesPage.tsx"), "DevicesPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/devices/$id",
    component: lazyRouteComponent(() => import("./registry/DevicePage.tsx"), "DevicePage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/rollouts",
    component: lazyRouteComponent(() => import("./rollouts/RolloutsPage.tsx"), "RolloutsPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/rollouts/new",
    component: lazyRouteComponent(() => import("./rollouts/NewRolloutPage.tsx"), "NewRolloutPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/rollouts/$id",
    component: lazyRouteComponent(() => import("./rollouts/RolloutPage.tsx"), "RolloutPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/rollouts/$id/halt-report",
    component: lazyRouteComponent(() => import("./rollouts/HaltReportPage.tsx"), "HaltReportPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/rollout-plans",
    component: lazyRouteComponent(() => import("./rollouts/PlansPage.tsx"), "PlansPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/rollout-plans/edit",
    component: lazyRouteComponent(() => import("./rollouts/EditPlanPage.tsx"), "EditPlanPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/freezes",
    component: lazyRouteComponent(() => import("./rollouts/FreezesPage.tsx"), "FreezesPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/update-pins",
    component: lazyRouteComponent(() => import("./rollouts/PinsPage.tsx"), "PinsPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/metadata",
    component: lazyRouteComponent(() => import("./tuf/MetadataPage.tsx"), "MetadataPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/releases",
    component: lazyRouteComponent(() => import("./releases/ReleasesPage.tsx"), "ReleasesPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/releases/$id",
    component: lazyRouteComponent(() => import("./releases/ReleasePage.tsx"), "ReleasePage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/alerts",
    component: lazyRouteComponent(() => import("./monitoring/AlertsPage.tsx"), "AlertsPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/enrollment",
    component: lazyRouteComponent(() => import("./enrollment/EnrollmentPage.tsx"), "EnrollmentPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/audit",
    component: lazyRouteComponent(() => import("./access/AuditPage.tsx"), "AuditPage"),
  }),
  createRoute({
    getParentRoute: below,
    path: "/access",
    component: lazyRouteComponent(() => import("./access/AccessPage.tsx"), "AccessPage"),
  }),
];

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/signin",
  component: lazyRouteComponent(() => import("./access/RedeemPage.tsx"), "RedeemSignIn"),
});
const setUp = createRoute({
  getParentRoute: () => root,
  path: "/setup",
  component: lazyRouteComponent(() => import("./access/RedeemPage.tsx"), "RedeemSetUp"),
});

/** Search parameters are plain words (`?filter=status:offline`), so that a person can read and write the URL. */
export const router = createRouter({
  routeTree: root.addChildren([shell.addChildren(pages), signIn, setUp]),
  parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
  stringifySearch: (search) => {
    const given = Object.entries(search).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string" && entry[1] !== "",
    );
    return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
  },
  defaultErrorComponent: FailedPage,
  defaultNotFoundComponent: MissingPage,
  scrollRestoration: true,
});
